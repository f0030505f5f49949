"""Separate indexing: each run by lattices of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections, concatenate, n_rows, select
from dxdask.errors import ConvergenceError, DxdaskError, InputError, plain
from dxdask.fate import SpotFate
from dxdask.indexing.consensus import clusters_table
from dxdask.indexing.fates import fates_table
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.reciprocal import map_centroids
from dxdask.indexing.together import index_together
from dxdask.models import ExperimentList
from dxdask.refinement import RefinementParameters
from dxdask.results import StepResult, joined
from dxdask.tables import Table

PREDICTED = ("x_cal", "y_cal", "z_cal", "x_cal_mm", "y_cal_mm", "phi_cal_rad")
_STATES = Flag.INDEXED | Flag.USED_IN_REFINEMENT | Flag.CENTROID_OUTLIER | Flag.PREDICTED


def index_separately(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: IndexParameters,
    refinement: RefinementParameters,
) -> StepResult:
    """Return the results of indexing each run by itself, joined.

    A run that cannot be indexed has no crystal, and a row in `problems`.

    Raises
    ------
    ConvergenceError
        None can be indexed.
    """
    results = [
        index_run(reflections, experiments, run, parameters, refinement) for run in experiments.runs
    ]
    return join_runs(reflections, experiments, results)


def rows_of_run(
    reflections: Reflections, experiments: ExperimentList, run: str
) -> tuple[NDArray[np.intp], Reflections, ExperimentList]:
    """Return the rows (n,) of a run, the table of these, and its experiments, counted from 0."""
    ids = [i for i, m in enumerate(experiments.members) if m.run == run]
    rows = np.flatnonzero(np.isin(reflections["experiment"], ids))
    part = select(reflections, rows)
    part["experiment"] = np.searchsorted(ids, part["experiment"]).astype(np.int32)
    return rows, part, ExperimentList.of([experiments[i] for i in ids])


def index_run(
    reflections: Reflections,
    experiments: ExperimentList,
    run: str,
    parameters: IndexParameters,
    refinement: RefinementParameters,
) -> StepResult:
    """Return the result of one run of several; `unindexed` where it cannot be indexed."""
    _, part, alone = rows_of_run(reflections, experiments, run)
    try:
        if not n_rows(part):
            raise InputError("no spots to index: lower the threshold of find_spots")
        return index_together(part, alone, parameters, refinement)
    except DxdaskError as error:
        return unindexed(part, alone, plain(error))


def unindexed(reflections: Reflections, experiments: ExperimentList, reason: str) -> StepResult:
    """Return the result of a run that cannot be indexed: all spots without indices, and a problem.

    reflections : spots of one run; experiments : of that run.
    """
    n, run = n_rows(reflections), experiments.runs[0]
    table = map_centroids(reflections, experiments) | {"hkl": np.zeros((n, 3), np.int32)}
    table |= {name: np.zeros(n) for name in PREDICTED}
    table["flags"] = reflections["flags"] & ~np.uint32(_STATES)
    table["fate"] = np.full(n, SpotFate.NO_LATTICE, dtype=np.uint8)
    problem = {"run": run, "image": None, "step": "index", "reason": reason}
    return StepResult(
        experiments=experiments,
        reflections=table,
        tables=(fates_table(table, experiments, {run: reason}),),
        problems=(problem,),
    )


def join_runs(
    reflections: Reflections, experiments: ExperimentList, results: Sequence[StepResult]
) -> StepResult:
    """Return the results of all runs, in the order of `experiments.runs`, as one.

    All input rows are in their order.
    """
    report = combine_reports(results)
    order = [rows_of_run(reflections, experiments, run)[0] for run in experiments.runs]
    firsts = np.cumsum([0, *(len(r.experiments) for r in results)])
    parts = [
        r.reflections | {"experiment": r.reflections["experiment"] + np.int32(first)}
        for r, first in zip(results, firsts, strict=False)
    ]
    names = set.intersection(*(set(p) for p, rows in zip(parts, order, strict=True) if len(rows)))
    whole = concatenate([{n: p[n] for n in p if n in names} for p in parts if n_rows(p)])
    place = np.argsort(np.concatenate(order), kind="stable")
    return replace(report, reflections=select(whole, place))


def combine_reports(results: Sequence[StepResult]) -> StepResult:
    """Return tables, messages and problems of runs indexed by themselves, without rows.

    Raises
    ------
    ConvergenceError
        None could be indexed.
    """
    if not any(r.experiments.crystals for r in results):
        reasons = (f"{p['run']}: {p['reason']}" for r in results for p in r.problems)
        text = f"none of {len(results)} runs could be indexed:"
        raise ConvergenceError("\n".join([text, *reasons]))
    firsts = np.cumsum([0, *(len(r.experiments) for r in results)]).tolist()
    named = []
    for result, first in zip(results, firsts, strict=False):
        ids = list(range(first, first + len(result.experiments)))
        tables = (
            replace(t, rows=_with_run(t, result.experiments.runs[0], ids)) for t in result.tables
        )
        named.append(replace(result, tables=tuple(tables)))
    whole = joined(named)
    if len(whole.experiments.crystals) < 2:
        return whole
    return replace(whole, tables=(*whole.tables, clusters_table(whole.experiments)))


def _with_run(table: Table, run: str, ids: list[int]) -> list[dict[str, Any]]:
    """Return the rows with their run, and with experiments by their index in the whole list."""
    rows = []
    for row in table.rows:
        new = {"run": run, **row}
        if "experiment" in new:
            new["experiment"] = ids[new["experiment"]]
        rows.append(new)
    return rows
