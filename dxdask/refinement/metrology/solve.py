"""Least squares of detector and crystals together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import ConvergenceError, InputError
from dxdask.models import Detector
from dxdask.refinement.metrology.blocks import blocks, residuals_of
from dxdask.refinement.metrology.crystals import Crystals
from dxdask.refinement.metrology.equations import equations, panel_gradients
from dxdask.refinement.metrology.hierarchy import (
    DetectorPart,
    free_moves,
    moved,
    part_moves,
    parts_of,
)
from dxdask.refinement.metrology.measurements import Measurements
from dxdask.refinement.metrology.outliers import position_scales, robust_weights
from dxdask.refinement.metrology.parameters import MetrologyParameters
from dxdask.refinement.metrology.residuals import crystal_equations, crystal_prior, fit_of

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


def solve(
    measured: Measurements,
    crystals: Crystals,
    detector: Detector,
    beam: Floats,
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
    start, n_panels = detector, len(detector)
    parts = parts_of(detector, parameters.detector.hierarchy_level)
    spread, sigmas = _spread(start, parts, parameters)
    total = np.zeros(len(sigmas))
    prior = crystal_prior(crystals, parameters.cell.restraint, fixed=parameters.cell.fix)
    weights: list[Floats] = []
    for iteration in range(1, parameters.max_iterations + 1):
        if iteration <= WEIGHED_ROUNDS:
            weights.clear()
        matrix, right, follow = _equations(measured, crystals, detector, beam, prior, weights)
        normal = spread.T @ matrix @ spread + np.diag(1 / sigmas**2)
        step = np.linalg.solve(normal, spread.T @ right - total / sigmas**2)
        panel_moves = spread @ step
        crystals = crystals.moved(np.concatenate([own - f @ panel_moves for own, f in follow]))
        total += step
        detector = moved(detector, panel_moves.reshape(n_panels, 6))
        if not np.isfinite(step).all():
            break
        covariance = spread @ np.linalg.inv(normal) @ spread.T
        allowed = np.maximum(SMALLEST_STEP, PART_OF_ERROR * np.sqrt(np.diag(covariance)))
        if (np.abs(panel_moves) <= allowed).all():
            used = np.concatenate(weights)[:, 0] > 0
            residuals = residuals_of(measured, crystals, detector, beam)
            return Solution(detector, crystals, residuals, used, parts, covariance, iteration)
    raise ConvergenceError(
        f"the detector did not converge in {parameters.max_iterations} cycles: too few spots for "
        f"the free moves ({len(measured.still)} spots of {len(crystals.u)} stills); fix some "
        "(metrology.detector.parts, hierarchy_level) or use more stills"
    )


def _equations(
    measured: Measurements,
    crystals: Crystals,
    detector: Detector,
    beam: Floats,
    prior: Floats,
    weights: list[Floats],
) -> tuple[Floats, Floats, list[tuple[Floats, Floats]]]:
    """Return matrix and right side for the panels, summed over the blocks in order, and `own`,
    `follow` (see `Equations`) of the crystals of each block.

    weights : (n, 3) of the residuals of each block; calculated and appended where it is empty.
    """
    size = 6 * len(detector)
    matrix, right = np.zeros((size, size)), np.zeros(size)
    known, follow = bool(weights), []
    for i, (block, own) in enumerate(blocks(measured, crystals)):
        fit = fit_of(block, own, detector, beam)
        if not known:
            scales = position_scales(fit.residuals, block.size, block.still, len(block.rows))
            weights.append(robust_weights(fit.residuals, scales)[:, None] / scales**2)
        alone = crystal_equations(fit, weights[i], block, own, prior)
        of_panels = panel_gradients(fit, block, detector)
        eq = equations(fit, of_panels, weights[i], block, alone, len(detector))
        matrix += eq.matrix
        right += eq.right
        follow.append((eq.own, eq.follow))
    return matrix, right, follow


def _spread(
    detector: Detector, parts: tuple[DetectorPart, ...], parameters: MetrologyParameters
) -> tuple[Floats, Floats]:
    """Return the moves (6 panels, m) of panels by each free move of a part, and expected sizes."""
    columns, sigmas = [], []
    for part in parts:
        free, sizes = free_moves(part, parameters.detector)
        columns.append(part_moves(detector, part)[:, :, free].reshape(6 * len(detector), len(free)))
        sigmas += sizes
    if not sigmas:
        raise InputError("no move of the detector is free; give metrology.detector.whole or .parts")
    return np.concatenate(columns, axis=1), np.array(sigmas)
