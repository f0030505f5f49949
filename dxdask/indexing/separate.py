"""Separate indexing: one crystal for each run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections, concatenate, n_rows, select
from dxdask.errors import ConvergenceError, DxdaskError, InputError, plain
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.reciprocal import map_centroids
from dxdask.indexing.together import index_together
from dxdask.models import Experiment, ExperimentList
from dxdask.refinement import RefinementParameters
from dxdask.results import StepResult, joined
from dxdask.tables import Table


def index_separately(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: IndexParameters,
    refinement: RefinementParameters,
) -> StepResult:
    """Return the concatenated results of indexing each run by itself.

    A run that cannot be indexed has no crystal, and a row in `problems`.
    """
    members, parts, order = list(experiments), [], []
    out, messages, problems = list(members), [], []
    tables: dict[str, list[dict[str, Any]]] = {}
    shapes: dict[str, Table] = {}
    for run in experiments.runs:
        ids = [i for i, m in enumerate(members) if m.run == run]
        rows = np.flatnonzero(np.isin(reflections["experiment"], ids))
        part = select(reflections, rows)
        part["experiment"] = np.searchsorted(ids, part["experiment"]).astype(np.int32)
        try:
            got = _index_run(part, [members[i] for i in ids], parameters, refinement)
        except DxdaskError as error:
            problems.append({"run": run, "image": None, "step": "index", "reason": plain(error)})
            continue
        for i, e in zip(ids, got.experiments, strict=True):
            out[i] = e
        messages += [f"Run {run}:", *got.messages]
        parts.append(
            {
                **got.reflections,
                "experiment": np.asarray(ids, np.int32)[got.reflections["experiment"]],
            }
        )
        order.append(rows)
        for t in got.tables:
            shapes[t.name] = t
            tables.setdefault(t.name, []).extend(_with_run(t, run, ids))
    if not parts:
        reasons = "; ".join(f"{p['run']}: {p['reason']}" for p in problems)
        raise ConvergenceError(f"none of {len(experiments.runs)} runs could be indexed: {reasons}")
    return StepResult(
        experiments=ExperimentList.of(out),
        reflections=_in_order(reflections, parts, order),
        tables=tuple(replace(shapes[k], rows=rows) for k, rows in tables.items()),
        messages=tuple(messages),
        problems=tuple(problems),
    )


def _index_run(
    part: Reflections,
    members: list[Experiment],
    parameters: IndexParameters,
    refinement: RefinementParameters,
) -> StepResult:
    """Return the result for the experiments of one run."""
    if not n_rows(part):
        raise InputError("no spots to index: lower the threshold of find_spots")
    return index_together(part, ExperimentList.of(members), parameters, refinement)


def _with_run(table: Table, run: str, ids: list[int]) -> list[dict[str, Any]]:
    """Return the rows with their run, and with experiments by their index in the whole list."""
    rows = []
    for row in table.rows:
        new = {"run": run, **row}
        if "experiment" in new:
            new["experiment"] = ids[new["experiment"]]
        rows.append(new)
    return rows


def _in_order(
    reflections: Reflections, parts: list[Reflections], order: list[NDArray[np.intp]]
) -> Reflections:
    """Return all input rows in their order; those of failed runs without Miller index."""
    done = concatenate(parts)
    rows = np.concatenate(order)
    table: Reflections = {}
    for name, values in done.items():
        whole = np.zeros((n_rows(reflections), *values.shape[1:]), dtype=values.dtype)
        if name in reflections:
            whole[:] = reflections[name]
        if name == "hkl":
            whole[:] = 0
        whole[rows] = values
        table[name] = whole
    return table


PREDICTED = ("x_cal", "y_cal", "z_cal", "x_cal_mm", "y_cal_mm", "phi_cal_rad")


def unindexed(reflections: Reflections, experiments: ExperimentList, reason: str) -> StepResult:
    """Return the result of a run that cannot be indexed: all spots without indices, and a problem.

    reflections : spots of one run; experiments : of that run.
    """
    n = n_rows(reflections)
    table = map_centroids(reflections, experiments) | {"hkl": np.zeros((n, 3), np.int32)}
    table |= {name: np.zeros(n) for name in PREDICTED}
    problem = {"run": experiments.runs[0], "image": None, "step": "index", "reason": reason}
    return StepResult(experiments=experiments, reflections=table, problems=(problem,))


def combine_reports(results: Sequence[StepResult]) -> StepResult:
    """Return tables, messages and problems of runs indexed by themselves, without rows.

    Raises
    ------
    ConvergenceError
        None could be indexed.
    """
    if not any(r.experiments.crystals for r in results):
        reasons = "; ".join(f"{p['run']}: {p['reason']}" for r in results for p in r.problems)
        raise ConvergenceError(f"none of {len(results)} runs could be indexed: {reasons}")
    firsts = np.cumsum([0, *(len(r.experiments) for r in results)]).tolist()
    named = []
    for result, first in zip(results, firsts, strict=False):
        ids = list(range(first, first + len(result.experiments)))
        tables = (
            replace(t, rows=_with_run(t, result.experiments.runs[0], ids)) for t in result.tables
        )
        named.append(replace(result, tables=tuple(tables)))
    return joined(named)
