"""Least squares of detector and crystals together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import ConvergenceError, InputError
from dxdask.models import Detector, Experiment
from dxdask.refinement.least_squares.equations import reduced, solve
from dxdask.refinement.metrology.parameters import MetrologyParameters
from dxdask.refinement.models.crystals import Crystals
from dxdask.refinement.models.detector_freedom import restrained
from dxdask.refinement.models.detector_parts import DetectorPart, parts_of
from dxdask.refinement.models.layout import FreeParameters, Layout
from dxdask.refinement.models.state import ModelState
from dxdask.refinement.problem import Problem
from dxdask.refinement.stills.measurements import Measurements
from dxdask.refinement.stills.problem import still_problem, weights_by_scatter

SMALLEST_STEP, PART_OF_ERROR = 5e-5, 0.02
"""Convergence: no panel moves by more than this (mm, rad), or this fraction of its error."""
WEIGHED_ROUNDS = 20
"""Cycles after which the weights of spots are fixed: so that it converges also where the parts that
may move do not fit, and the weights of some spots would alternate or drift."""


@dataclass(frozen=True, slots=True)
class Solution:
    """A refined detector with its crystals.

    Attributes
    ----------
    detector, crystals : refined. residuals : (n, 3) of all spots at the end, x and y (mm) and
    delta psi (rad). used : (n,) spots that were used. parts : those that could move.
    covariance : of the moves of panels (6 panels, 6 panels), mm and rad.
    iterations : number of cycles.
    """

    detector: Detector
    crystals: Crystals
    residuals: Floats
    used: NDArray[np.bool_]
    parts: tuple[DetectorPart, ...]
    covariance: Floats
    iterations: int


def solve_detector(
    measured: Measurements,
    crystals: Crystals,
    experiment: Experiment,
    parameters: MetrologyParameters,
) -> Solution:
    """Refine detector and crystals against the spots of all stills.

    All free moves are refined in every cycle, at all levels of the hierarchy, each restrained to
    its expected size (a Gaussian prior about the start): so there is one minimum, and it does not
    depend on the order in which parameters are freed.

    Raises
    ------
    InputError
        No move is free.
    ConvergenceError
        It does not converge.
    """
    parts = parts_of(experiment.detector, parameters.detector.hierarchy_level)
    problem, state = still_problem(
        measured, crystals, experiment, _freedom(experiment.detector, parts, parameters),
        restraint=parameters.cell.restraint, fix_cells=parameters.cell.fix,
    )  # fmt: skip
    to_panels = _panel_moves(problem.layout)
    if not problem.layout.n_shared:
        raise InputError("no move of the detector is free; give metrology.detector.whole or .parts")
    for iteration in range(1, parameters.max_iterations + 1):
        if iteration == WEIGHED_ROUNDS + 1:
            problem = _with_weights_of(problem, state)
        equations = problem.equations(state)
        try:
            less = reduced(equations)
            step = solve(equations, less=less)
        except np.linalg.LinAlgError:
            break
        if not np.isfinite(step.shared).all():
            break
        before, state = state, problem.move(state, step)
        del equations  # the next are as large
        inverse = np.linalg.inv(less.matrix)
        spread = to_panels @ inverse
        variances = to_panels.multiply(spread).sum(axis=1)
        allowed = np.maximum(SMALLEST_STEP, PART_OF_ERROR * np.sqrt(variances))
        if (np.abs(to_panels @ step.shared) <= allowed).all():
            # weights are those that the last step was made with
            used = _weights(problem, before)[:, 0] > 0
            return Solution(
                state.experiments.detectors[0],
                state.crystals,
                problem.residuals(state),
                used,
                parts,
                (to_panels @ spread.T).T,
                iteration,
            )
    raise ConvergenceError(
        f"the detector did not converge in {parameters.max_iterations} cycles: too few spots for "
        f"the free moves ({len(measured.still)} spots of {len(crystals)} stills); fix some "
        "(metrology.detector.parts, hierarchy_level) or use more stills"
    )


def _freedom(
    detector: Detector, parts: tuple[DetectorPart, ...], parameters: MetrologyParameters
) -> list[FreeParameters]:
    given = parameters.detector
    rotation = float(np.deg2rad(given.rotation_sigma))
    sigmas = {
        "shift": given.shift_sigma,
        "distance": given.distance_sigma,
        "rotation": rotation,
        "tilt": rotation,
    }
    return restrained(0, detector, parts, given.whole, given.parts, sigmas)


def _panel_moves(layout: Layout) -> scipy.sparse.csr_array:
    """Return the moves (6 panels, m) of panels by each shared parameter.

    Sparse: a panel is moved by itself and by the few parts that it belongs to.
    """
    n_panels = len(layout.first_part) - 1
    panel = np.repeat(np.arange(n_panels), np.diff(layout.first_part))
    rows = (6 * panel[:, None] + np.arange(6)).ravel()
    places = (rows, np.repeat(layout.part_columns, 6))
    return scipy.sparse.csr_array(
        (layout.moves.ravel(), places), shape=(6 * n_panels, layout.n_shared)
    )


def _with_weights_of(problem: Problem, state: ModelState) -> Problem:
    """Return the problem with the weights of spots fixed at those of a state."""
    rows = replace(problem.rows, weights=_weights(problem, state))
    return replace(problem, rows=rows, weigh=None)


def _weights(problem: Problem, state: ModelState) -> Floats:
    if problem.weigh is None:
        return problem.rows.weights
    return weights_by_scatter(problem.rows, problem.residuals(state))
