"""The cell that fits scattering angles best, with standard uncertainties.

By Bragg's law 4 sin^2(theta) / lambda^2 = h G* h^T is linear in the reciprocal metric tensor G*,
and so in its coordinates among the tensors that obey the symmetry: a weighted linear least-squares
fit. Each angle's standard deviation is that of the residuals of reflections of like strength,
which are taken anew after each fit; the uncertainties of the cell follow from the covariance of the
coordinates, as for the cells of small molecules by
2 theta (Busing & Levy 1967, Acta Cryst. 22, 457).
"""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import ConvergenceError
from dxdask.models.crystal import cell_of
from dxdask.refinement.models.metric_basis import metric_basis
from dxdask.two_theta.angles import Angles

ROUNDS = 6
FEWEST_A_GROUP = 50
MOST_GROUPS = 10
FEWEST_A_PARAMETER = 5
_GAUSSIAN = 1.4826  # standard deviation of a Gaussian over its median absolute deviation
_STEP = 1e-6  # relative, of the numerical derivatives of the cell


@dataclass(frozen=True, kw_only=True, slots=True)
class CellFit:
    """A cell fitted to scattering angles.

    Attributes
    ----------
    cell, su : six constants (A, degree) and their standard uncertainties, 0 of those fixed by the
        symmetry. volume, volume_su : A^3.
    rmsd : of 2 theta, degrees. n_used, n_outliers : reflections.
    """

    cell: tuple[float, ...]
    su: tuple[float, ...]
    volume: float
    volume_su: float
    rmsd: float
    n_used: int
    n_outliers: int


def fit_cell(angles: Angles, group: gemmi.SpaceGroup, *, cutoff: float) -> CellFit:
    """Return the cell of a space group that fits scattering angles best.

    Raises
    ------
    ConvergenceError
        There are too few reflections, or they do not determine the cell.
    """
    basis = metric_basis(group)
    n, k = len(angles.hkl), len(basis)
    if n < FEWEST_A_PARAMETER * k:
        raise ConvergenceError(
            f"{n} reflections are too few for the {k} constants of a cell of {group.xhm()}; lower "
            "two_theta.min_i_over_sigma, or set filter_integrated_centroids=false"
        )
    design = np.einsum("ni,kij,nj->nk", angles.hkl, basis, angles.hkl)
    observed = (2.0 * np.sin(0.5 * angles.two_theta) / angles.wavelength) ** 2
    # d(q^2) / d(2 theta)
    slope = 2.0 * np.sin(angles.two_theta) / angles.wavelength**2
    sigma, used = np.full(n, 1.0), np.ones(n, dtype=bool)
    values = covariance = np.zeros(0)
    for _ in range(ROUNDS):
        values, covariance = _solved(design[used], observed[used], (slope * sigma)[used])
        residual = (observed - design @ values) / slope
        sigma = _sigmas(residual, angles.strength, used)
        used = np.abs(residual) <= cutoff * sigma
        if np.count_nonzero(used) < FEWEST_A_PARAMETER * k:
            raise ConvergenceError(
                f"{np.count_nonzero(used)} of {n} scattering angles fit one cell; refine the "
                "geometry again before"
            )
    values, covariance = _solved(design[used], observed[used], (slope * sigma)[used])
    residual = (observed - design @ values) / slope
    cell = _cell(values, basis)
    slopes = _slopes(values, basis)
    spread = np.einsum("ik,kl,jl->ij", slopes, covariance, slopes)
    su = np.sqrt(np.maximum(np.diag(spread), 0.0))
    fixed = np.abs(slopes).max(axis=1) < 1e-9 * np.abs(slopes).max()
    return CellFit(
        cell=tuple(cell[:6].tolist()),
        su=tuple(np.where(fixed, 0.0, su)[:6].tolist()),
        volume=float(cell[6]),
        volume_su=float(su[6]),
        rmsd=float(np.degrees(np.sqrt(np.mean(residual[used] ** 2)))),
        n_used=int(np.count_nonzero(used)),
        n_outliers=int(np.count_nonzero(~used)),
    )


def _solved(design: Floats, observed: Floats, sigma: Floats) -> tuple[Floats, Floats]:
    """Return the coordinates (k,) of G* and their covariance (k, k)."""
    weighted = design / sigma[:, None]
    scale = np.linalg.norm(weighted, axis=0)
    if not np.all(scale > 0) or np.linalg.matrix_rank(weighted / scale, tol=1e-7) < len(scale):
        raise ConvergenceError(
            "the reflections do not determine the cell: all lie in one plane of the lattice; add "
            "runs of other orientations"
        )
    q, r = np.linalg.qr(weighted / scale)
    back = np.linalg.inv(r)
    values = back @ (q.T @ (observed / sigma)) / scale
    return values, (back @ back.T) / np.outer(scale, scale)


def _sigmas(residual: Floats, strength: Floats, used: np.ndarray) -> Floats:
    """Return the standard deviation (n,) of angles, of groups of like strength."""
    n = int(np.clip(np.count_nonzero(used) // FEWEST_A_GROUP, 1, MOST_GROUPS))
    edges = np.quantile(strength[used], np.linspace(0.0, 1.0, n + 1)[1:-1]) if n > 1 else []
    group = np.searchsorted(edges, strength)
    found = np.empty(len(residual))
    for i in range(n):
        mine = group == i
        typical = residual[mine & used]
        spread = _GAUSSIAN * np.median(np.abs(typical)) if len(typical) else np.inf
        found[mine] = max(float(spread), 1e-9)
    return found


def _cell(values: Floats, basis: Floats) -> Floats:
    """Return the six constants (A, degree) and the volume (A^3) of coordinates of G*."""
    try:
        b = np.linalg.cholesky(np.einsum("k,kij->ij", values, basis)).T
    except np.linalg.LinAlgError:
        raise ConvergenceError(
            "the scattering angles fit no cell; refine the geometry again before"
        ) from None
    return np.array([*cell_of(b), 1.0 / abs(np.linalg.det(b))])


def _slopes(values: Floats, basis: Floats) -> Floats:
    """Return the derivatives (7, k) of cell and volume by the coordinates of G*."""
    columns = []
    size = np.abs(values).max()
    for i in range(len(values)):
        step = np.zeros(len(values))
        step[i] = _STEP * size
        columns.append((_cell(values + step, basis) - _cell(values - step, basis)) / (2 * step[i]))
    return np.array(columns).T
