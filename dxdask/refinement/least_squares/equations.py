"""Solution of the normal equations, the crystals eliminated one by one.

A step of the crystals is K^-1 (right - C d) for a step d of what they share, so the latter follows
from S = N - sum C^T K^-1 C (the Schur complement), a matrix as small as what is shared; those of
blocks of crystals are added, as in Millepede (Blobel & Kleinwort 2002, hep-ex/0208021).
"""

from __future__ import annotations

from dataclasses import dataclass

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

    def solved(self, damping: float = 0.0) -> tuple[Floats, Floats]:
        """Return K^-1 C (c, k, m) and K^-1 right (c, k)."""
        sides = np.concatenate([self.cross, self.right[:, :, None]], axis=2)
        found: Floats = np.linalg.solve(damped(self.matrix, damping), sides).astype(np.float64)
        return found[:, :, :-1], found[:, :, -1]


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


def reduced(equations: Equations, damping: float = 0.0) -> tuple[Floats, Floats]:
    """Return matrix (m, m) and right side (m,) of what is shared, the crystals eliminated."""
    matrix, right = damped(equations.matrix, damping).copy(), equations.right.copy()
    if not len(right):
        return matrix, right
    for block in equations.blocks:
        follow, own = block.solved(damping)
        n, k, m = follow.shape
        cross = block.cross.reshape(n * k, m)
        matrix -= cross.T @ follow.reshape(n * k, m)
        right -= cross.T @ own.reshape(n * k)
    return 0.5 * (matrix + matrix.T), right


def solve(equations: Equations, damping: float = 0.0) -> Step:
    """Return the step to the minimum of the equations, damped.

    Raises
    ------
    numpy.linalg.LinAlgError
        A matrix is singular.
    """
    matrix, right = reduced(equations, damping)
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
    shared: Floats = np.linalg.pinv(reduced(equations)[0], hermitian=True).astype(np.float64)
    crystals = []
    for block in equations.blocks:
        follow, _ = block.solved()
        own = np.linalg.inv(block.matrix)
        spread = follow @ shared
        crystals.append(variance * (own + spread @ follow.transpose(0, 2, 1)))
    return Covariance(shared=variance * shared, crystals=tuple(crystals))
