"""Joint indexing: one crystal for the spots of all runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dxdask.columns import Flag, Reflections, has_flag, n_rows, select
from dxdask.errors import ConvergenceError
from dxdask.indexing.candidates import best_candidate
from dxdask.indexing.causes import likely_causes
from dxdask.indexing.fit_quality import require_fit
from dxdask.indexing.macrocycles import resolution_steps, run_macrocycles
from dxdask.indexing.max_cell import find_max_cell
from dxdask.indexing.methods.fall_back import with_fall_back
from dxdask.indexing.methods.search_lattices import (
    grid_d_min,
    low_resolution,
    search_lattices,
)
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.reciprocal import map_centroids, within_first_rotation
from dxdask.indexing.superlattice import superlattice_notes
from dxdask.models import ExperimentList
from dxdask.refinement import RefinementParameters
from dxdask.refinement.summary import panels_table
from dxdask.results import StepResult
from dxdask.tables import Table


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
        No lattice fits the spots of each run, or none has the known symmetry; the message names
        what is likely wrong with the geometry.
    """
    try:
        return with_fall_back(parameters, lambda p: _index(reflections, experiments, p, refinement))
    except ConvergenceError as error:
        causes = likely_causes(reflections, experiments, parameters)
        if not causes:
            raise
        raise ConvergenceError(f"{'; '.join(causes)} ({error})") from error


def _index(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: IndexParameters,
    refinement: RefinementParameters,
) -> StepResult:
    spots = map_centroids(reflections, experiments)
    search = select(spots, within_first_rotation(spots, experiments))
    max_cell, messages = _max_cell(search, parameters)
    grid = parameters.fft3d.reciprocal_space_grid
    d_min = grid_d_min(search["rlp"], max_cell=max_cell, n_points=grid.n_points, d_min=grid.d_min)
    messages.append(f"Setting d_min: {d_min:.2f}")
    low = low_resolution(search, d_min)
    messages.append(f"Number of centroids used: {n_rows(low)}")
    lattices = search_lattices(
        search, experiments, max_cell=max_cell, d_min=d_min, parameters=parameters
    )
    best, table = best_candidate(lattices, low, experiments, parameters, refinement)
    steps = resolution_steps(spots["rlp"], d_min, parameters.refinement_protocol)
    messages.append(f"Using d_min_step {steps.step:.2f}")
    result = run_macrocycles(spots, best.experiments, steps, parameters, refinement)
    tables = [t for t in result.tables if t.name in ("crystals", "rmsds")]
    notes = require_fit(result.reflections, result.experiments, parameters)
    notes += superlattice_notes(result.reflections, result.experiments)
    moved = panels_table(experiments, result.experiments)
    return replace(
        result,
        tables=(table, imagesets_table(result.reflections, experiments), *tables, moved),
        messages=(*messages, *result.messages, *notes),
    )


def _max_cell(search: Reflections, parameters: IndexParameters) -> tuple[float, list[str]]:
    """Return the longest cell edge (A), given, of the known cell, or estimated; and a message."""
    known, multiplier = (
        parameters.known_symmetry.unit_cell,
        parameters.max_cell_estimation.multiplier,
    )
    if parameters.max_cell is not None:
        return parameters.max_cell, [f"Using max_cell: {parameters.max_cell:.1f} Angstrom"]
    if known is not None:
        value = multiplier * max(known[:3])
        return value, [f"Using max_cell: {value:.1f} Angstrom"]
    value = find_max_cell(search, parameters.max_cell_estimation)
    return value, [f"Found max_cell: {value:.1f} Angstrom"]


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
