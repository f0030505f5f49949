"""Solution of the normal equations, the crystals eliminated one by one.

A step of the crystals is K^-1 (right - C d) for a step d of what they share, so the latter follows
from S = N - sum C^T K^-1 C (the Schur complement), a matrix as small as what is shared; those of
blocks of crystals are added, as in Millepede (Blobel & Kleinwort 2002, hep-ex/0208021).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class CrystalBlock:
    """Normal equations of crystals with as many parameters each.

    Attributes
    ----------
    first : index of the first of the c crystals.
    matrix : (c, k, k). cross : (c, k, m) with what is shared. right : (c, k).
    """

    first: int
    matrix: Floats
    cross: Floats
    right: Floats

    def whitened(self, damping: float = 0.0) -> tuple[Floats, Floats, Floats]:
        """Return L^-1 (c, k, k), L^-1 C (c, k, m) and L^-1 right (c, k), with K = L L^T."""
        inverse: Floats = np.linalg.inv(np.linalg.cholesky(damped(self.matrix, damping)))
        return inverse, inverse @ self.cross, np.einsum("nij,nj->ni", inverse, self.right)

    def followed(self) -> Floats:
        """Return K^-1 C (c, k, m): how the crystals follow what is shared."""
        return np.asarray(np.linalg.solve(self.matrix, self.cross))


@dataclass(frozen=True, kw_only=True, slots=True)
class Equations:
    """Normal equations at one state of the models, restraints included.

    Attributes
    ----------
    blocks : of the crystals. matrix, right : (m, m) and (m,) of what is shared.
    objective : half the weighted sum of squared residuals and restraints.
    rmsds : (3,) x, y (mm) and phi or delta psi (rad). n : reflections that have a prediction.
    """

    blocks: tuple[CrystalBlock, ...]
    matrix: Floats
    right: Floats
    objective: float
    rmsds: Floats
    n: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A step of all parameters: of what is shared (m,), and of the crystals of each block (c, k).

    expected : decrease of the objective that the equations give for it.
    """

    shared: Floats
    crystals: tuple[Floats, ...]
    expected: float


def damped(matrix: Floats, damping: float) -> Floats:
    """Return matrices (..., k, k) with the diagonal increased by a fraction (Marquardt, 1963)."""
    if damping == 0.0:
        return matrix
    out = matrix.copy()
    at = np.arange(matrix.shape[-1])
    out[..., at, at] *= 1.0 + damping
    return out


class Reduced(NamedTuple):
    """Equations of what is shared, the crystals eliminated: matrix (m, m) and right side (m,)."""

    matrix: Floats
    right: Floats


def reduced(equations: Equations, damping: float = 0.0) -> Reduced:
    """Return the equations of what is shared, the crystals eliminated.

    Raises
    ------
    numpy.linalg.LinAlgError
        The matrix of a crystal is not positive definite.
    """
    matrix, right = damped(equations.matrix, damping).copy(), equations.right.copy()
    if not len(right):
        return Reduced(matrix, right)
    for block in equations.blocks:
        _, cross, own = block.whitened(damping)
        flat = cross.reshape(own.size, len(right))
        matrix -= flat.T @ flat  # a symmetric product, at half the cost of any other
        right -= flat.T @ own.ravel()
    return Reduced(matrix, right)


def solve(equations: Equations, damping: float = 0.0, *, less: Reduced | None = None) -> Step:
    """Return the step to the minimum of the equations, damped.

    less : the equations without the crystals, where they are there already.

    Raises
    ------
    numpy.linalg.LinAlgError
        A matrix is singular.
    """
    matrix, right = reduced(equations, damping) if less is None else less
    shared = scaled_solution(matrix, right)
    gain, crystals = float(shared @ equations.right), []
    quadratic = float(shared @ (equations.matrix @ shared))
    for block in equations.blocks:
        across = block.cross @ shared
        own = np.linalg.solve(damped(block.matrix, damping), (block.right - across)[:, :, None])
        step: Floats = own[:, :, 0].astype(np.float64)
        crystals.append(step)
        gain += float((step * block.right).sum())
        quadratic += float((step * (2.0 * across)).sum())
        quadratic += float(np.einsum("ni,nij,nj->", step, block.matrix, step))
    return Step(shared=shared, crystals=tuple(crystals), expected=gain - 0.5 * quadratic)


def scaled_solution(matrix: Floats, right: Floats) -> Floats:
    """Return the solution (m,) of equations whose unknowns have different units."""
    if not len(right):
        return right.copy()
    scale = 1.0 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    return np.asarray(np.linalg.solve(matrix * np.outer(scale, scale), right * scale) * scale)


@dataclass(frozen=True, kw_only=True, slots=True)
class Covariance:
    """Covariance of the parameters at the minimum.

    Attributes
    ----------
    shared : (m, m). crystals : of each block (c, k, k).
    """

    shared: Floats
    crystals: tuple[Floats, ...]

    def of_crystal(self, index: int) -> Floats:
        """Return the covariance (k, k) of the parameters of one crystal."""
        for block in self.crystals:
            if index < len(block):
                return np.asarray(block[index])
            index -= len(block)
        raise IndexError("no such crystal")


def covariance(equations: Equations, variance: float) -> Covariance:
    """Return the covariance: the inverse normal matrix times the variance of unit weight."""
    shared: Floats = np.linalg.pinv(reduced(equations).matrix, hermitian=True).astype(np.float64)
    crystals = []
    for block in equations.blocks:
        follow, own = block.followed(), np.linalg.inv(block.matrix)
        spread = follow @ shared
        crystals.append(variance * (own + spread @ follow.transpose(0, 2, 1)))
    return Covariance(shared=variance * shared, crystals=tuple(crystals))
