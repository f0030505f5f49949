"""Result of the step, from the sums over all frames of a run, and of several runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dxdask.columns import Reflections, check
from dxdask.integration.context import IntegrationContext
from dxdask.integration.profile_fit import fitted
from dxdask.integration.summary import integration_messages, integration_tables
from dxdask.integration.summation import summed
from dxdask.integration.sums import PixelSums, in_photons
from dxdask.models import Experiment, ExperimentList
from dxdask.results import StepResult, joined


def finish(
    sums: PixelSums,
    predicted: Reflections,
    context: IntegrationContext,
    experiment: Experiment,
    problems: Sequence[Mapping[str, Any]] = (),
) -> StepResult:
    """Return the result of one run from the sums over all its frames."""
    sums = in_photons(sums)
    reflections = summed(predicted, sums, context.shapes, experiment.detector)
    calibration = None
    if context.fit.fitting:
        reflections, calibration = fitted(reflections, sums, context, experiment)
    return StepResult(
        experiments=ExperimentList.of([experiment]),
        reflections=check(reflections),
        tables=integration_tables(reflections, experiment),
        messages=integration_messages(reflections, experiment, calibration, context),
        problems=tuple(problems),
    )


def combine_reports(results: Sequence[StepResult], experiments: ExperimentList) -> StepResult:
    """Return tables, messages and problems of runs as of all of them, without rows.

    experiments : of the runs, in order.
    """
    return replace(joined(results), experiments=experiments)
