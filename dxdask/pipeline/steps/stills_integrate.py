"""Integrated reflections of each still."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import CombineInputs, Extras, Pass, Step, Values

if TYPE_CHECKING:
    from dxdask.pipeline.inputs import RunInput
    from dxdask.results import StepResult
    from dxdask.storage.store.store import Store


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.integration.stills.parameters import StillIntegrationParameters

    return {"integration": StillIntegrationParameters()}


def extras(store: Store, runs: Sequence[RunInput], values: Values) -> Extras:
    """Return maps of pixels, and the geometry of runs where it is known better than in files."""
    from dxdask.pipeline.lookup import maps_of_find_spots
    from dxdask.pipeline.stills.events import geometry_contents

    found = maps_of_find_spots(store, runs, values)
    return replace(found, by_run=geometry_contents(runs))


def events() -> Pass:
    """Return the pass over the frames that this step is part of."""
    from dxdask.pipeline.stills.events import EVENTS

    return EVENTS


def combine(inputs: CombineInputs) -> StepResult:
    """Return tables of all runs."""
    from dxdask.graphs.stills.reports import combine_integrated

    return combine_integrated(inputs.results, inputs.arrays(("hit", "indexed", "reason")))


STEP = Step(
    name="integrate",
    title="Predict and integrate the reflections of each still.",
    parameters=parameters,
    in_pass=events,
    needs=("index",),
    uses=("find_spots",),
    scope="run",
    kinds=("stills",),
    reads_frames=True,
    extras=extras,
    combine=combine,
    version="stills 3",
)
