"""Mean intensities expected of reflections: a smooth curve of resolution with anisotropy.

ln S = ln epsilon + sum_k beta_k hat_k(s^2) + s^T U s: hats are piecewise linear between knots of
equal numbers of reflections, U is traceless and invariant under the Laue group. beta and U maximise
the likelihood of the measured intensities under Wilson's distribution convoluted with their errors,
by the EM algorithm (Dempster, Laird & Rubin 1977, J. R. Stat. Soc. B39, 1): the true intensities
are missing data, whose expected values `moments` gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np

from dxdask.arrays import Floats, Mask
from dxdask.models.symmetry import Indices
from dxdask.truncation.posterior import moments

PER_KNOT = 60
MOST_KNOTS = 40
LEAST_FOR_ANISOTROPY = 200
MOST_USED = 60_000
_CYCLES = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Prior:
    """Expected intensities of a data set.

    Attributes
    ----------
    knots : (m,) 1/d^2, ascending. log_mean : (m,) ln <I / epsilon> there.
    anisotropy : (3, 3) U, Angstrom^2, Cartesian; ln S has s^T U s, so that B = -2 U.
    """

    knots: Floats
    log_mean: Floats
    anisotropy: Floats

    @property
    def b_tensor(self) -> Floats:
        """Anisotropic part of B (3, 3), Angstrom^2: intensities fall as exp(-s^T B s / 2)."""
        return -2.0 * self.anisotropy

    def mean(self, hkl: Indices, epsilon: Floats, cell: gemmi.UnitCell) -> Floats:
        """Return the expected intensities (n,) of Miller indices (n, 3)."""
        s = reciprocal_vectors(hkl, cell)
        log = np.interp((s**2).sum(axis=1), self.knots, self.log_mean)
        return np.asarray(epsilon * np.exp(log + np.einsum("ni,ij,nj->n", s, self.anisotropy, s)))


def reciprocal_vectors(hkl: Indices, cell: gemmi.UnitCell) -> Floats:
    """Return s (n, 3), 1/Angstrom, in the Cartesian frame of the cell (x along a)."""
    return np.asarray(hkl.astype(np.float64) @ np.array(cell.frac.mat))


def invariant_tensors(cell: gemmi.UnitCell, group: gemmi.SpaceGroup) -> Floats:
    """Return a basis (k, 3, 3) of traceless symmetric tensors invariant under the Laue group."""
    fractional = np.array(cell.frac.mat)
    basis = []
    for i in range(3):
        for j in range(i, 3):
            tensor = np.zeros((3, 3))
            tensor[i, j] = tensor[j, i] = 1.0 if i == j else np.sqrt(0.5)
            basis.append(tensor)
    flat = np.array(basis).reshape(6, 9)
    rotations = [
        np.linalg.inv(fractional) @ (np.array(op.rot) / op.DEN) @ fractional
        for op in group.operations().sym_ops
    ]
    averaged = [np.mean([r @ t @ r.T for r in rotations], axis=0).ravel() for t in basis]
    projector = flat @ np.array(averaged).T
    trace = flat @ np.eye(3).ravel() / np.sqrt(3.0)
    values, vectors = np.linalg.eigh((projector + projector.T) / 2 - np.outer(trace, trace))
    return np.asarray((vectors.T[values > 0.9] @ flat).reshape(-1, 3, 3))


def fit_prior(
    hkl: Indices,
    intensity: Floats,
    sigma: Floats,
    *,
    centric: Mask,
    epsilon: Floats,
    cell: gemmi.UnitCell,
    group: gemmi.SpaceGroup,
) -> Prior:
    """Return the prior of merged intensities (n,), n >= 1, of finite positive sigma."""
    s = reciprocal_vectors(hkl, cell)
    order = np.argsort((s**2).sum(axis=1), kind="stable")[:: 1 + (len(s) - 1) // MOST_USED]
    s, i, sig = s[order], intensity[order] / epsilon[order], sigma[order] / epsilon[order]
    centric = centric[order]
    x = (s**2).sum(axis=1)
    n_knots = int(np.clip(len(x) // PER_KNOT, 2, MOST_KNOTS))
    knots = np.unique(np.quantile(x, np.linspace(0, 1, n_knots)))
    tensors = invariant_tensors(cell, group)[: None if len(x) >= LEAST_FOR_ANISOTROPY else 0]
    hats = np.column_stack([np.interp(x, knots, row) for row in np.eye(len(knots))])
    design = np.column_stack([hats, *(np.einsum("ni,ij,nj->n", s, t, s) for t in tensors)])
    nu = np.where(centric, 0.5, 1.0)
    # EM with the curvature of complete data; the small ridge holds knots without reflections
    curvature = (design * nu[:, None]).T @ design
    curvature[np.diag_indices_from(curvature)] *= 1 + 1e-6
    curvature += 1e-9 * np.eye(len(curvature))
    beta = np.zeros(design.shape[1])
    floor = 0.05 * np.median(sig)
    start = (hats.T @ i) / np.maximum(hats.sum(axis=0), 1e-9)
    beta[: len(knots)] = np.log(np.maximum(start, floor))
    for _ in range(_CYCLES):
        mean = np.exp(design @ beta)
        expected = sig * moments(i / sig - nu * sig / mean, centric)[0]
        score = design.T @ (nu * np.clip(expected / mean - 1.0, -1.0, 20.0))
        step = np.clip(np.linalg.solve(curvature, score), -2.0, 2.0)
        beta += step
        if np.abs(design @ step).max() < 1e-4:
            break
    anisotropy = np.tensordot(beta[len(knots) :], tensors, axes=1).reshape(3, 3)
    return Prior(knots=knots, log_mean=beta[: len(knots)], anisotropy=anisotropy)
