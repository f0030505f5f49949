"""Joint indexing: one crystal for the spots of all runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dxdask.columns import Flag, Reflections, has_flag
from dxdask.errors import ConvergenceError
from dxdask.indexing.causes import likely_causes
from dxdask.indexing.fit_quality import require_fit
from dxdask.indexing.lattices import add_lattices, lattices_table, run_to_primitive
from dxdask.indexing.macrocycles import resolution_steps
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.reciprocal import map_centroids
from dxdask.indexing.search_lattice import search_lattice
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
        return _index(reflections, experiments, parameters, refinement)
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
    found = search_lattice(spots, experiments, parameters, refinement)
    steps = resolution_steps(spots["rlp"], found.d_min, parameters.refinement_protocol)
    messages = (*found.messages, f"Using d_min_step {steps.step:.2f}")
    result = run_to_primitive(spots, found.best.experiments, steps, parameters, refinement)
    result = replace(result, messages=(*messages, *result.messages))
    result = add_lattices(result, steps, parameters, refinement)
    notes = require_fit(result.reflections, result.experiments, parameters)
    kept = [t for t in result.tables if t.name in ("crystals", "rmsds")]
    if len(result.experiments) > len(experiments):
        kept.append(lattices_table(result))
    kept.append(panels_table(experiments, result.experiments))
    return replace(
        result,
        tables=(found.table, imagesets_table(result.reflections, result.experiments), *kept),
        messages=(*result.messages, *notes),
    )


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
