"""Normal equations of detector and crystals, the crystals eliminated still by still.

Each crystal has unknowns of its own, all share the detector: the normal matrix is an arrow. A block
of stills gives N_dd - sum N_ds N_ss^-1 N_sd (the Schur complement), a matrix as small as the
detector; the blocks' are added. So does Millepede (Blobel & Kleinwort 2002, hep-ex/0208021).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.models import Detector
from dxdask.models.crystal import b_matrix
from dxdask.stills.metrology.hierarchy import axes, centre
from dxdask.stills.metrology.measurements import Measurements, positions_mm
from dxdask.stills.rays import derivatives, still_rays
from dxdask.stills.strain import rotations

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Crystals:
    """Crystals (n,) of one symmetry: A = U (1 + sum e_k S_k) B.

    Attributes
    ----------
    u : (n, 3, 3). strain : (n, k) the e_k. basis : (k, 3, 3) the S_k. cell : whose B it is.
    """

    u: Floats
    strain: Floats
    basis: Floats
    cell: tuple[float, ...]

    def a_matrices(self) -> Floats:
        """Return A (n, 3, 3), 1/A."""
        strained = np.eye(3) + np.einsum("nk,kij->nij", self.strain, self.basis)
        return np.asarray(self.u @ strained @ b_matrix(self.cell))

    def moved(self, steps: Floats) -> Crystals:
        """Return the crystals turned and strained by steps (n, 3 + k)."""
        u = rotations(steps[:, :3]) @ self.u
        return Crystals(u, self.strain + steps[:, 3:], self.basis, self.cell)


class Fit(NamedTuple):
    """Residuals and gradients of each spot (n,).

    Attributes
    ----------
    residuals : (n, 3) x, y (mm) observed less predicted, and -delta psi (rad).
    crystal : (n, 3, 3 + k) derivatives of the predictions by the crystal's turn and strain.
    panel : (n, 3, 6) by the six moves of the panel.
    """

    residuals: Floats
    crystal: Floats
    panel: Floats


def fit_of(measured: Measurements, crystals: Crystals, detector: Detector, beam: Floats) -> Fit:
    """Return residuals and gradients of all spots."""
    n, n_crystal = len(measured.still), 3 + len(crystals.basis)
    q = np.einsum("nij,nj->ni", crystals.a_matrices()[measured.still], measured.hkl)
    rays = still_rays(q, beam, measured.wavelength)
    inverse = np.stack([p.inverse_d_matrix for p in detector.panels])[measured.panel]
    pv = np.einsum("nij,nj->ni", inverse, rays.s1)
    xy = pv[:, :2] / pv[:, 2:]

    def on_panel(by: Floats, out: Floats, scale: Floats | None = None) -> None:
        d = np.einsum("nij,nj->ni", inverse, by)
        out[:] = d[:, :2] - xy * d[:, 2:]
        if scale is not None:
            out /= scale[:, None]

    residuals = np.empty((n, 3))
    residuals[:, :2], residuals[:, 2] = positions_mm(measured, detector) - xy, -rays.delta_psi
    crystal = np.empty((n, 3, n_crystal))
    ub, b = crystals.u[measured.still], b_matrix(crystals.cell)
    for j in range(n_crystal):
        if j < 3:
            dq = np.cross(np.eye(3)[j], q)
        else:
            dq = np.einsum("nij,nj->ni", ub, measured.hkl @ (crystals.basis[j - 3] @ b).T)
        ds1, crystal[:, 2, j] = derivatives(rays, dq)
        on_panel(ds1, crystal[:, :2, j], pv[:, 2])
    panel = np.zeros((n, 3, 6))
    frames = np.stack([axes(p) for p in detector.panels])[measured.panel]
    arm = (
        _points(xy, detector, measured.panel)
        - np.stack([centre(p) for p in detector.panels])[measured.panel]
    )
    for j in range(3):
        # the point under a ray goes the other way than the panel
        on_panel(-frames[:, j], panel[:, :2, j])
        on_panel(-np.cross(frames[:, j], arm), panel[:, :2, 3 + j])
    return Fit(residuals, crystal, panel)


def _points(xy: Floats, detector: Detector, panel: NDArray[np.int64]) -> Floats:
    d = np.stack([p.d_matrix for p in detector.panels])[panel]
    return np.asarray(d[:, :, 0] * xy[:, :1] + d[:, :, 1] * xy[:, 1:] + d[:, :, 2])


class Equations(NamedTuple):
    """What a block of stills says of the detector, and how its crystals follow.

    Attributes
    ----------
    matrix, right : (6 panels, 6 panels) and (6 panels,) with the crystals eliminated; additive.
    follow : (stills, 3 + k, 6 panels); own : (stills, 3 + k): a crystal's step is own - follow d.
    """

    matrix: Floats
    right: Floats
    follow: Floats
    own: Floats


def equations(
    fit: Fit, weights: Floats, measured: Measurements, n_panels: int, crystal_prior: Floats,
    offset: Floats,
) -> Equations:  # fmt: skip
    """Return the reduced normal equations.

    weights : (n, 3) one over the variance of each residual. crystal_prior : (3 + k,) one over the
    variance expected of each of a crystal's parameters; offset : (stills, 3 + k) where it is now.
    """
    n, k = len(measured.rows), fit.crystal.shape[2]
    weighted = fit.crystal * weights[:, :, None]
    ss = np.einsum("nai,naj->nij", weighted, fit.crystal)
    of_crystals = _by(measured.still, ss, n) + np.diag(crystal_prior)
    right = _by(measured.still, np.einsum("nai,na->ni", weighted, fit.residuals), n)
    right -= crystal_prior * offset
    both = measured.still * n_panels + measured.panel
    sd = _by(both, np.einsum("nai,naj->nij", weighted, fit.panel), n * n_panels)
    sd = sd.reshape(n, n_panels, k, 6).transpose(0, 2, 1, 3).reshape(n, k, 6 * n_panels)
    panel_weighted = fit.panel * weights[:, :, None]
    dd = _by(measured.panel, np.einsum("nai,naj->nij", panel_weighted, fit.panel), n_panels)
    solved = np.linalg.solve(of_crystals, np.concatenate([sd, right[:, :, None]], axis=2))
    follow, own = solved[:, :, :-1], solved[:, :, -1]
    matrix = -np.tensordot(sd, follow, axes=([0, 1], [0, 1]))
    for i in range(n_panels):
        matrix[6 * i : 6 * i + 6, 6 * i : 6 * i + 6] += dd[i]
    d = _by(measured.panel, np.einsum("nai,na->ni", panel_weighted, fit.residuals), n_panels)
    return Equations(matrix, d.ravel() - np.tensordot(sd, own, axes=([0, 1], [0, 1])), follow, own)


def _by(group: NDArray[np.int64], values: Floats, n_groups: int) -> Floats:
    """Return the sums of values (n, ...) of each group."""
    flat = values.reshape(len(values), -1)
    out = np.empty((n_groups, flat.shape[1]))
    for j in range(flat.shape[1]):
        out[:, j] = np.bincount(group, weights=flat[:, j], minlength=n_groups)
    return out.reshape(n_groups, *values.shape[1:])
