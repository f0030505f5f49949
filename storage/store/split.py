"""The parts of a step's result: rows of each run, and what belongs to no run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dxdask.columns import select
from dxdask.models import ExperimentList
from dxdask.results import StepResult


def split_by_run(result: StepResult) -> tuple[StepResult, dict[str, StepResult]]:
    """Return the result of the ensemble, and the rows and experiments of each run.

    Rows of experiment -1, arrays, tables, messages and problems stay with the step. A result whose
    experiments or rows are not in the order of runs cannot be put together again from parts, so
    that all of it stays.
    """
    experiment = result.reflections.get("experiment")
    members = result.experiments.run_indices
    if experiment is None or not len(members) or np.any(np.diff(members) < 0):
        return result, {}
    run_of = np.where(experiment < 0, -1, members[np.maximum(experiment, 0)])
    if np.any(np.diff(run_of) < 0):
        return result, {}
    runs = result.experiments.runs
    edges = np.searchsorted(run_of, np.arange(len(runs) + 1)).tolist()
    firsts = np.searchsorted(members, np.arange(len(runs) + 1)).tolist()
    everyone = list(result.experiments)
    parts = {}
    for i, run in enumerate(runs):
        table = select(result.reflections, slice(edges[i], edges[i + 1]))  # type: ignore[arg-type]
        table["experiment"] = table["experiment"] - np.int32(firsts[i])
        own = ExperimentList.of(everyone[firsts[i] : firsts[i + 1]])
        parts[run] = StepResult(experiments=own, reflections=table)
    rest = {n: v[: edges[0]] for n, v in result.reflections.items()} if edges[0] else {}
    return replace(result, reflections=rest), parts
