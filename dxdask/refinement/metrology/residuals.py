"""Residuals of the spots of stills, and derivatives of their predictions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.geometry.still_rays import derivatives, still_rays
from dxdask.models import Detector
from dxdask.models.crystal import b_matrix
from dxdask.refinement.metrology.crystals import Crystals
from dxdask.refinement.metrology.measurements import Measurements, positions_mm

FREE_ORIENTATION = 1e-6
"""Inverse variance (rad^-2) of the prior of a crystal's rotation: weak, but never singular."""
FIXED = 1e24


class Fit(NamedTuple):
    """Residuals and gradients of spots (n,).

    Attributes
    ----------
    residuals : (n, 3) x, y (mm) observed less predicted, and -delta psi (rad).
    crystal : (n, 3, 3 + k) derivatives of the predictions by rotation and strain of the crystal.
    xy : (n, 2) predicted, mm. inverse : (n, 3, 3) D of each spot's panel.
    """

    residuals: Floats
    crystal: Floats
    xy: Floats
    inverse: Floats

    def on_panel(self, change: Floats) -> Floats:
        """Return the changes of x and y (..., n, 2) by moves (..., n, 3), mm, of points of rays."""
        d = np.einsum("nij,...nj->...ni", self.inverse, change)
        return np.asarray(d[..., :2] - self.xy * d[..., 2:])


class OnPanels(NamedTuple):
    """Spots (n,) on the panels of a detector, independent of the crystals.

    Attributes
    ----------
    xy : (n, 2) observed, mm. inverse : (n, 3, 3) D of each spot's panel.
    """

    xy: Floats
    inverse: Floats


def on_panels(measured: Measurements, detector: Detector) -> OnPanels:
    """Return the positions of spots on their panels, and D of these."""
    inverse = np.stack([p.inverse_d_matrix for p in detector.panels])[measured.panel]
    return OnPanels(positions_mm(measured, detector), inverse)


def fit_of(
    measured: Measurements,
    crystals: Crystals,
    detector: Detector,
    beam: Floats,
    observed: OnPanels | None = None,
) -> Fit:
    """Return residuals and gradients of all spots.

    beam : (3,) unit vector along the beam. observed : `on_panels` of the same spots and detector,
    where it is known.
    """
    observed = observed or on_panels(measured, detector)
    n, n_crystal = len(measured.still), 3 + len(crystals.basis)
    q = np.einsum("nij,nj->ni", crystals.a_matrices()[measured.still], measured.hkl)
    rays = still_rays(q, beam, measured.wavelength)
    pv = np.einsum("nij,nj->ni", observed.inverse, rays.s1)
    residuals, crystal = np.empty((n, 3)), np.empty((n, 3, n_crystal))
    fit = Fit(residuals, crystal, pv[:, :2] / pv[:, 2:], observed.inverse)
    residuals[:, :2] = observed.xy - fit.xy
    residuals[:, 2] = -rays.delta_psi
    dq = np.zeros((n_crystal, n, 3))
    for j in range(3):  # rotation about axis j: e_j x q
        k, m = (j + 1) % 3, (j + 2) % 3
        dq[j, :, k], dq[j, :, m] = -q[:, m], q[:, k]
    u, b = crystals.u[measured.still], b_matrix(crystals.cell)
    for j, strain in enumerate(crystals.basis):
        dq[3 + j] = np.einsum("nij,nj->ni", u, measured.hkl @ (strain @ b).T)
    ds1, d_psi = derivatives(rays, dq)
    crystal[:, 2] = d_psi.T
    crystal[:, :2] = np.moveaxis(fit.on_panel(ds1 / pv[:, 2:]), 0, -1)
    return fit


def crystal_prior(crystals: Crystals, restraint: float | None, *, fixed: bool = False) -> Floats:
    """Return the inverse variances (3 + k,) of the prior of rotation (rad) and strain of a crystal.

    restraint : relative standard deviation of cells, None for none. fixed : cells are fixed.
    """
    spread = 1.0 if restraint is None else restraint**-2
    return np.array([FREE_ORIENTATION] * 3 + [FIXED if fixed else spread] * len(crystals.basis))


class CrystalEquations(NamedTuple):
    """Normal equations of each still: matrix (stills, 3 + k, 3 + k) and right (stills, 3 + k)."""

    matrix: Floats
    right: Floats


def crystal_equations(
    fit: Fit, weights: Floats, measured: Measurements, crystals: Crystals, prior: Floats
) -> CrystalEquations:
    """Return the normal equations of each crystal.

    weights : (n, 3) inverse variance of each residual. prior : (3 + k,) see `crystal_prior`.
    """
    n = len(measured.rows)
    weighted = fit.crystal * weights[:, :, None]
    matrix = sums_by(measured.still, np.einsum("nai,naj->nij", weighted, fit.crystal), n)
    right = sums_by(measured.still, np.einsum("nai,na->ni", weighted, fit.residuals), n)
    right[:, 3:] -= prior[3:] * crystals.strain
    return CrystalEquations(matrix + np.diag(prior), right)


def sums_by(group: NDArray[np.int64], values: Floats, n_groups: int) -> Floats:
    """Return the sums (groups, ...) of values (n, ...) by group, added in order of the rows."""
    flat = values.reshape(len(values), -1)
    out = np.empty((n_groups, flat.shape[1]))
    for j in range(flat.shape[1]):
        out[:, j] = np.bincount(group, weights=flat[:, j], minlength=n_groups)
    return out.reshape(n_groups, *values.shape[1:])
