"""Normal equations of detector and crystals, the crystals eliminated still by still.

Each crystal has parameters of its own, all share the detector: the normal matrix is an arrowhead. A
block of stills gives N_dd - sum N_ds N_ss^-1 N_sd (the Schur complement), a matrix as small as the
detector; those of blocks are added, as in Millepede (Blobel & Kleinwort 2002, hep-ex/0208021).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats
from dxdask.models import Detector
from dxdask.refinement.metrology.measurements import Measurements
from dxdask.refinement.metrology.residuals import CrystalEquations, Fit, sums_by


class Equations(NamedTuple):
    """Reduced normal equations of the detector for a block of stills, and the steps of crystals.

    Attributes
    ----------
    matrix, right : (6 panels, 6 panels) and (6 panels,) with the crystals eliminated; additive.
    follow : (stills, 3 + k, 6 panels); own : (stills, 3 + k): the step of a crystal is own -
    follow d for moves d of the panels.
    """

    matrix: Floats
    right: Floats
    follow: Floats
    own: Floats


def panel_gradients(fit: Fit, measured: Measurements, detector: Detector) -> Floats:
    """Return the derivatives (n, 2, 6) of predicted x and y (mm) by the moves of their panels.

    The moves are shifts along the panel's fast, slow and normal, and rotations about them.
    """
    frames = np.stack([p.axes for p in detector.panels])[measured.panel]
    middle = np.stack([p.centre for p in detector.panels])[measured.panel]
    d = np.stack([p.d_matrix for p in detector.panels])[measured.panel]
    arm = d[:, :, 0] * fit.xy[:, :1] + d[:, :, 1] * fit.xy[:, 1:] + d[:, :, 2] - middle
    out = np.empty((len(measured.still), 2, 6))
    for j in range(3):
        # the point of a ray on the panel moves against the panel
        out[:, :, j] = fit.on_panel(-frames[:, j])
        out[:, :, 3 + j] = fit.on_panel(-np.cross(frames[:, j], arm))
    return out


def equations(
    fit: Fit,
    of_panels: Floats,
    weights: Floats,
    measured: Measurements,
    crystals: CrystalEquations,
    n_panels: int,
) -> Equations:
    """Return the reduced normal equations.

    of_panels : (n, 2, 6) of `panel_gradients`. weights : (n, 3) one over the variance of each
    residual. crystals : the equations of the crystals alone.
    """
    n, k = len(measured.rows), fit.crystal.shape[2]
    weighted = of_panels * weights[:, :2, None]
    both = measured.still * n_panels + measured.panel
    sd = sums_by(both, np.einsum("nai,naj->nij", fit.crystal[:, :2], weighted), n * n_panels)
    sd = sd.reshape(n, n_panels, k, 6).transpose(0, 2, 1, 3).reshape(n, k, 6 * n_panels)
    dd = sums_by(measured.panel, np.einsum("nai,naj->nij", weighted, of_panels), n_panels)
    d = sums_by(measured.panel, np.einsum("nai,na->ni", weighted, fit.residuals[:, :2]), n_panels)
    right = np.concatenate([sd, crystals.right[:, :, None]], axis=2)
    solved = np.linalg.solve(crystals.matrix, right)
    follow, own = solved[:, :, :-1], solved[:, :, -1]
    matrix = -np.tensordot(sd, follow, axes=([0, 1], [0, 1]))
    for i in range(n_panels):
        matrix[6 * i : 6 * i + 6, 6 * i : 6 * i + 6] += dd[i]
    return Equations(matrix, d.ravel() - np.tensordot(sd, own, axes=([0, 1], [0, 1])), follow, own)
