"""Ratios of matched reflections between runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import Step, Values, one_task

if TYPE_CHECKING:
    from dxdask.pipeline.stored_result import StoredResult
    from dxdask.results import StepResult


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.analysis.parameters import LinearityParameters

    return {"linearity": LinearityParameters()}


def _linearity(integrated: StoredResult, names: list[str], given: Values) -> StepResult:
    from dxdask.analysis import linearity
    from dxdask.analysis.linearity import NEEDED

    column = f"intensity_{given.linearity.intensity}"
    columns = integrated.present([*NEEDED, "panel", "partiality", column, f"{column}_variance"])
    table, experiments = integrated.of_runs(names, columns)
    return linearity(table, experiments, given.linearity)


STEP = Step(
    name="linearity",
    title="Compare matched reflections of each run with the full transmission.",
    parameters=parameters,
    build=one_task(_linearity, "integrate"),
    needs=("integrate",),
    optional=True,
    version="4",
    example="i_over_sigma=3",
)
