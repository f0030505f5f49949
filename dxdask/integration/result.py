"""Result of the step, from the sums over all frames of a run, and of several runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dxdask.columns import Reflections, check, concatenate
from dxdask.errors import InputError
from dxdask.integration.context import IntegrationContext
from dxdask.integration.profile_fit import fitted
from dxdask.integration.summary import integration_messages, integration_tables
from dxdask.integration.summation import summed
from dxdask.integration.sums import PixelSums
from dxdask.models import Experiment, ExperimentList
from dxdask.results import StepResult
from dxdask.tables import Table


def finish(
    sums: PixelSums,
    predicted: Reflections,
    context: IntegrationContext,
    experiment: Experiment,
    problems: Sequence[Mapping[str, Any]] = (),
) -> StepResult:
    """Return the result of one run from the sums over all its frames."""
    reflections = summed(predicted, sums, context.shapes, experiment.detector)
    calibration = None
    if context.fit.fitting:
        reflections, calibration = fitted(reflections, sums, context, experiment)
    return StepResult(
        experiments=ExperimentList.of([experiment]),
        reflections=check(reflections),
        tables=integration_tables(reflections, experiment),
        messages=integration_messages(reflections, experiment, calibration),
        problems=tuple(problems),
    )


def combine_runs(results: Sequence[StepResult], experiments: ExperimentList) -> StepResult:
    """Return the results of several runs as one; experiments : of the runs, in order."""
    if not results:
        raise InputError("no run was integrated; index and refine some first")
    names = [t.name for t in results[0].tables]
    joined = tuple(_joined([r.table(name) for r in results]) for name in names)
    return StepResult(
        experiments=experiments,
        reflections=concatenate([r.reflections for r in results]),
        tables=joined,
        messages=tuple(m for r in results for m in r.messages),
        problems=tuple(p for r in results for p in r.problems),
    )


def _joined(tables: Sequence[Table]) -> Table:
    first = tables[0]
    rows = [row for t in tables for row in t.rows]
    return Table(name=first.name, title=first.title, rows=rows, headings=first.headings)
