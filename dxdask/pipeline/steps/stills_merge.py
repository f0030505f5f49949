"""Unique reflections of stills, post-refined and merged."""

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
    from dxdask.merging.stills.parameters import StillsMergingParameters

    return {"merging": StillsMergingParameters()}


def _merge(integrated: StoredResult, names: list[str], values: Values) -> StepResult:
    from dxdask.merging.stills import merge_stills

    table, experiments = integrated.of_runs(names)
    return merge_stills(table, integrated.stills(names), experiments, values.merging)


STEP = Step(
    name="merge",
    title="Post-refine and merge the stills.",
    parameters=parameters,
    build=one_task(_merge, "integrate"),
    needs=("integrate",),
    kinds=("stills",),
    version="stills 2",
    aliases=("postrefine",),
)
