"""Hits among events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import CombineInputs, Pass, Step, Values

if TYPE_CHECKING:
    from dxdask.results import StepResult


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.hits.parameters import HitParameters

    return {"hits": HitParameters()}


def given(values: Values) -> dict[str, object]:
    """Return the parameters that the result depends on."""
    return {"hits": values.hit_finder.model_dump(mode="json")}


def events() -> Pass:
    """Return the pass over the frames that this step is part of."""
    from dxdask.pipeline.stills.events import EVENTS

    return EVENTS


def combine(inputs: CombineInputs) -> StepResult:
    """Return tables of all runs, and the rate of hits."""
    from dxdask.graphs.stills.reports import combine_hits

    return combine_hits(inputs.results)


STEP = Step(
    name="hits",
    title="Find the events that show a crystal.",
    parameters=parameters,
    in_pass=events,
    needs=("find_spots",),
    scope="run",
    kinds=("stills",),
    given=given,
    combine=combine,
    version="2",
)
