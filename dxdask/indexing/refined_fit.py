"""Checks that refined models fit the indexed spots, as those of indexing are checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from dxdask.columns import Flag, Reflections, has_flag
from dxdask.errors import ConvergenceError
from dxdask.indexing.fit_quality import FEWEST_SPOTS, RunFit, fits_of_runs, is_poor
from dxdask.indexing.parameters import RefinedFitParameters, Simple
from dxdask.indexing.reciprocal import map_centroids
from dxdask.models import ExperimentList
from dxdask.results import StepResult

LARGEST_LENGTH_CHANGE, LARGEST_ANGLE_CHANGE_DEG = 0.05, 3.0
"""Changes of the edges, relative, and angles of a cell that was refined before: indexing refines
cells to a few tenths of a percent."""
MOST_LEFT_OUT = 0.5
_ACCEPT = "fit.accept_poor_fit=true takes it all the same"


def with_fit_judged(
    result: StepResult, before: ExperimentList, parameters: RefinedFitParameters
) -> StepResult:
    """Return the result of refinement, if its models fit the spots of each run.

    Parameters
    ----------
    result : with all spots: x, y, z and their variances, hkl, flags and predictions.
    before : experiments that were refined, in the order of those of the result.

    Raises
    ------
    ConvergenceError
        They do not fit, a cell changed by more than 5 % or 3 degrees, or more than half of the
        indexed reflections are outliers or not predicted; with `accept_poor_fit` that is a warning.
    """
    problems = [
        *_poor_fits(result.reflections, result.experiments),
        *_changed_cells(before, result.experiments),
        *_left_out(result.reflections, result.experiments),
    ]
    if not problems:
        return result
    if not parameters.accept_poor_fit:
        raise ConvergenceError(f"{'; '.join(problems)}; {_ACCEPT}")
    lines = [f"Warning: {problem}" for problem in problems]
    return replace(result, messages=(*result.messages, *lines))


def _poor_fits(reflections: Reflections, experiments: ExperimentList) -> Iterator[str]:
    table = map_centroids(reflections, experiments)
    fits = fits_of_runs(table, experiments, Simple().hkl_tolerance)
    judged = [f for f in fits if f.n_spots >= FEWEST_SPOTS]
    poor = [f for f in judged if is_poor(f)]
    if not poor:
        return
    figures = "; ".join(str(f) for f in judged)
    if len(poor) < len(judged):
        yield (
            f"not one crystal: the refined models do not fit {_names(poor)} ({figures}): index "
            "each run by its own, indexing.joint_indexing=false, and refine again"
        )
    else:
        yield (
            f"the refined models do not fit the spots ({figures}): index again, with the cell "
            "known (indexing.known_symmetry.unit_cell) or to a lower resolution "
            "(indexing.refinement_protocol.d_min_final)"
        )


def _changed_cells(before: ExperimentList, after: ExperimentList) -> Iterator[str]:
    seen = set()
    for old, new, member in zip(before, after, after.members, strict=True):
        if old.crystal is None or new.crystal is None or member.crystal in seen:
            continue
        seen.add(member.crystal)
        start, end = np.array(old.crystal.unit_cell), np.array(new.crystal.unit_cell)
        length = np.abs(end[:3] / start[:3] - 1.0).max()
        angle = np.abs(end[3:] - start[3:]).max()
        if length > LARGEST_LENGTH_CHANGE or angle > LARGEST_ANGLE_CHANGE_DEG:
            yield (
                f"the cell of {new.run} changed by up to {100 * length:.1f} % and {angle:.1f} "
                f"degrees, from {_cell(start)} to {_cell(end)}: the spots may not determine cell "
                "and detector together, fix one of them: "
                "refinement.parameterisation.detector.fix=distance, or "
                "refinement.parameterisation.crystal.fix=cell"
            )


def _left_out(reflections: Reflections, experiments: ExperimentList) -> Iterator[str]:
    indexed = has_flag(reflections, Flag.INDEXED)
    outlier = has_flag(reflections, Flag.CENTROID_OUTLIER)
    lost = np.isnan(reflections["x_cal"])
    of_run = experiments.run_indices[reflections["experiment"]]
    for number, run in enumerate(experiments.runs):
        mine = indexed & (of_run == number)
        n = int(mine.sum())
        n_out, n_lost = int((mine & outlier).sum()), int((mine & lost).sum())
        if n >= FEWEST_SPOTS and n_out + n_lost > MOST_LEFT_OUT * n:
            yield (
                f"of {n} indexed reflections of {run} {n_out} are outliers and {n_lost} are not "
                "predicted: with few of them in each block of rotation, widen the blocks "
                "(refinement.reflections.outlier.block_width=180) or lower "
                "refinement.reflections.outlier.minimum_number_of_reflections; else index again"
            )


def _names(fits: list[RunFit]) -> str:
    return ", ".join(f.run for f in fits)


def _cell(values: np.ndarray) -> str:
    return ", ".join(f"{v:.2f}" for v in values)
