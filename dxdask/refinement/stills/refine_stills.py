"""Refinement of the crystal of each still, orientation and cell, against its own spots."""

from __future__ import annotations

from typing import NamedTuple

from dxdask.arrays import Floats
from dxdask.models import Experiment
from dxdask.refinement.least_squares.equations import solve
from dxdask.refinement.models.crystals import Crystals
from dxdask.refinement.still_outliers import robust_weights
from dxdask.refinement.stills.measurements import Measurements
from dxdask.refinement.stills.parameters import StillRefinementParameters
from dxdask.refinement.stills.problem import scales_of, still_problem


class RefinedStills(NamedTuple):
    """Refined crystals of stills.

    Attributes
    ----------
    crystals : of all stills. residuals : (n, 3) of their spots, x and y (mm) and delta psi (rad).
    weights : (n,) robust, 0 for outliers.
    """

    crystals: Crystals
    residuals: Floats
    weights: Floats


def refine_stills(
    measured: Measurements,
    crystals: Crystals,
    experiment: Experiment,
    parameters: StillRefinementParameters | None = None,
) -> RefinedStills:
    """Refine the crystal of each still against its own spots.

    Residuals are those of positions and the angles delta psi (Brewster et al. 2018, Acta Cryst.
    D74, 877), weighted by the scatter of the still. Stills are independent.

    measured : spots with indices. experiment : beam and detector.
    """
    parameters = parameters or StillRefinementParameters()
    problem, state = still_problem(
        measured, crystals, experiment, restraint=parameters.cell_restraint
    )
    for _ in range(parameters.max_iterations):
        state = problem.move(state, solve(problem.equations(state)))
    residuals = problem.residuals(state)
    weights = robust_weights(residuals, scales_of(problem.rows, residuals))
    return RefinedStills(state.crystals, residuals, weights)
