"""Joint indexing: one crystal for the spots of all runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dxdask.columns import Flag, Reflections, has_flag, select
from dxdask.errors import ConvergenceError
from dxdask.indexing.causes import Trials, likely_causes, moved_far
from dxdask.indexing.fates import fates_table, with_fates
from dxdask.indexing.fit_quality import misfit, require_fit
from dxdask.indexing.lattices import add_lattices, lattices_table, run_to_primitive
from dxdask.indexing.macrocycles import resolution_steps
from dxdask.indexing.methods.fall_back import with_fall_back
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.reciprocal import map_centroids
from dxdask.indexing.search_lattice import search_lattice
from dxdask.indexing.superlattice import superlattice_notes
from dxdask.indexing.trial_causes import CONVINCING, beam_centre_cause, second_lattice
from dxdask.models import ExperimentList
from dxdask.refinement import RefinementParameters
from dxdask.refinement.summary import panels_table
from dxdask.results import StepResult
from dxdask.tables import Table

MANY_LEFT = 0.25
"""Fraction of spots that are not indexed from which on an additional lattice is searched for."""
DOUBTFUL = 0.35
"""Misfit from which on the beam centre is searched for."""
MUCH_BETTER, ENOUGH_LEFT = 0.7, 0.9
"""Largest ratio of misfits, and smallest of numbers of indexed spots, to take another centre."""


def index_together(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: IndexParameters,
    refinement: RefinementParameters,
) -> StepResult:
    """Return the result of `index` with one crystal for all experiments.

    Raises
    ------
    InputError
        Too few spots.
    ConvergenceError
        No lattice fits the spots of each run, or none has the known symmetry; the message ranks
        what is likely wrong, by tests, or says what was tried. A wrong beam centre is corrected
        (see `GeometrySearch`).
    """
    try:
        result = with_fall_back(
            parameters, lambda p: _index(reflections, experiments, p, refinement)
        )
    except ConvergenceError as error:
        trials = likely_causes(reflections, experiments, parameters)
        if parameters.geometry_search.apply == "beam_centre":
            done = _with_beam_centre(reflections, trials, parameters, refinement)
            if done is not None:
                return done
        if not trials.text:
            raise
        raise ConvergenceError(f"{trials.text}\n{error}") from error
    if parameters.geometry_search.apply == "none" or _misfit(result, parameters) < DOUBTFUL:
        return result
    return _with_better_centre(result, reflections, experiments, parameters, refinement)


def _misfit(result: StepResult, parameters: IndexParameters) -> float:
    """Return the misfit (see `fit_quality`) of the spots of all runs."""
    rows = np.flatnonzero(has_flag(result.reflections, Flag.INDEXED))
    tolerance = parameters.index_assignment.simple.hkl_tolerance
    return misfit(result.reflections, rows, result.experiments, tolerance)


def _with_better_centre(
    result: StepResult, reflections: Reflections, experiments: ExperimentList,
    parameters: IndexParameters, refinement: RefinementParameters,
) -> StepResult:  # fmt: skip
    """Return the result with another beam centre where that fits far better, else as it is."""
    cause = beam_centre_cause(reflections, experiments, parameters)
    if cause is None or cause.experiments is None or cause.fraction < CONVINCING:
        return result
    try:
        other = _index(reflections, cause.experiments, parameters, refinement)
    except ConvergenceError:
        return result
    counts = [np.count_nonzero(has_flag(r.reflections, Flag.INDEXED)) for r in (result, other)]
    off = [_misfit(r, parameters) for r in (result, other)]
    if off[1] > MUCH_BETTER * off[0] or counts[1] < ENOUGH_LEFT * counts[0]:
        return result
    line = (
        f"Warning: the beam centre is not that of the header, and is corrected: {cause.text}; "
        f"spots are then {off[0] / off[1]:.1f} times nearer to the lattice"
    )
    return replace(other, messages=(line, *other.messages))


def _with_beam_centre(
    reflections: Reflections, trials: Trials, parameters: IndexParameters,
    refinement: RefinementParameters,
) -> StepResult | None:  # fmt: skip
    """Return the result with the beam centre found, where that is the most likely cause."""
    first = trials.causes[0] if trials.causes else None
    if first is None or first.name != "beam centre" or first.experiments is None:
        return None
    try:
        result = _index(reflections, first.experiments, parameters, refinement)
    except ConvergenceError:
        return None
    line = f"Warning: the beam centre is not that of the header, and is corrected: {first.text}"
    return replace(result, messages=(line, *result.messages))


def _index(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: IndexParameters,
    refinement: RefinementParameters,
) -> StepResult:
    spots = map_centroids(reflections, experiments)
    found = search_lattice(spots, experiments, parameters, refinement)
    steps = resolution_steps(spots["rlp"], found.d_min, parameters.refinement_protocol)
    messages = (*found.messages, f"Using d_min_step {steps.step:.2f}")
    result = run_to_primitive(spots, found.best.experiments, steps, parameters, refinement)
    result = replace(result, messages=(*messages, *result.messages))
    result = add_lattices(result, steps, parameters, refinement)
    result = replace(result, reflections=with_fates(result.reflections))
    notes = require_fit(result.reflections, result.experiments, parameters)
    notes += superlattice_notes(result.reflections, result.experiments)
    notes += _notes(result, experiments, parameters)
    kept = [t for t in result.tables if t.name in ("crystals", "rmsds")]
    if len(result.experiments) > len(experiments):
        kept.append(lattices_table(result))
    kept.append(fates_table(result.reflections, result.experiments))
    kept.append(panels_table(experiments, result.experiments))
    return replace(
        result,
        tables=(found.table, imagesets_table(result.reflections, result.experiments), *kept),
        messages=(*result.messages, *notes),
    )


def _notes(result: StepResult, before: ExperimentList, parameters: IndexParameters) -> list[str]:
    """Return warnings on a wrong distance, an additional lattice, and spots of one image."""
    notes = list(moved_far(before, result.experiments))
    table = result.reflections
    left = ~has_flag(table, Flag.INDEXED)
    if parameters.multiple_lattice_search.max_lattices == 1 and left.mean() > MANY_LEFT:
        other = second_lattice(select(table, left), result.experiments, parameters)
        if other is not None:
            n = int(np.count_nonzero(~left))
            notes.append(f"Warning: the lattice fits {n} of {len(left)} spots, and {other}")
    for i, e in enumerate(result.experiments):
        mine = table["experiment"] == i
        images = np.unique(np.floor(table["z"][mine]))
        if e.scan is not None and len(images) == 1 and e.scan.n_images > 1:
            notes.append(
                f"Warning: all spots of {e.run} are on image {int(images[0]) + 1}: the axis "
                "nearest to the beam is badly determined; find spots on more images, or give "
                "indexing.known_symmetry.unit_cell"
            )
    return notes


def imagesets_table(reflections: Reflections, experiments: ExperimentList) -> Table:
    """Return the table of the indexed spots of each run."""
    indexed = has_flag(reflections, Flag.INDEXED)
    runs = experiments.runs
    of_run = experiments.run_indices[reflections["experiment"]]
    total = np.bincount(of_run, minlength=len(runs))
    counts = np.bincount(of_run[indexed], minlength=len(runs))
    rows = [
        {
            "run": run,
            "n_indexed": int(n),
            "n_unindexed": int(t - n),
            "percent": float(100.0 * n / t) if t else 0.0,
        }
        for run, n, t in zip(runs, counts, total, strict=True)
    ]
    headings = {
        "run": ("Imageset", ""),
        "n_indexed": ("# indexed", ""),
        "n_unindexed": ("# unindexed", ""),
        "percent": ("% indexed", ".1f"),
    }
    return Table(name="imagesets", title="Indexed spots", rows=rows, headings=headings)
