"""Refinement of the crystal of each still, orientation and cell, against its own spots."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats
from dxdask.models import Detector
from dxdask.refinement.metrology.crystals import Crystals
from dxdask.refinement.metrology.measurements import Measurements
from dxdask.refinement.metrology.outliers import position_scales, robust_weights
from dxdask.refinement.metrology.residuals import (
    Fit,
    crystal_equations,
    crystal_prior,
    fit_of,
    on_panels,
)
from dxdask.refinement.stills.parameters import StillRefinementParameters


class RefinedStills(NamedTuple):
    """Refined crystals of stills.

    Attributes
    ----------
    crystals : of all stills. fit : residuals of the spots at the end. weights : (n,) robust, 0
    for outliers.
    """

    crystals: Crystals
    fit: Fit
    weights: Floats


def refine_stills(
    measured: Measurements,
    crystals: Crystals,
    detector: Detector,
    beam: Floats,
    parameters: StillRefinementParameters | None = None,
) -> RefinedStills:
    """Refine the crystal of each still against its own spots.

    Residuals are those of positions and the angles delta psi (Brewster et al. 2018, Acta Cryst.
    D74, 877), weighted by the scatter of the still. Stills are independent.

    measured : spots with indices. beam : (3,) unit vector along the beam.
    """
    parameters = parameters or StillRefinementParameters()
    prior = crystal_prior(crystals, parameters.cell_restraint)
    observed = on_panels(measured, detector)
    for _ in range(parameters.max_iterations):
        fit = fit_of(measured, crystals, detector, beam, observed)
        scales = position_scales(fit.residuals, measured.size, measured.still, len(measured.rows))
        robust = robust_weights(fit.residuals, scales)
        weights = robust[:, None] / scales**2
        eq = crystal_equations(fit, weights, measured, crystals, prior)
        steps: Floats = np.linalg.solve(eq.matrix, eq.right[:, :, None])[:, :, 0].astype(np.float64)
        crystals = crystals.moved(steps)
    fit = fit_of(measured, crystals, detector, beam, observed)
    return RefinedStills(crystals, fit, robust)
