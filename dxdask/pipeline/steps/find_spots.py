"""Spots of each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import CombineInputs, Extras, Step, StepInputs, Values

if TYPE_CHECKING:
    from dask.delayed import Delayed

    from dxdask.pipeline.inputs import RunInput
    from dxdask.results import StepResult
    from dxdask.storage.store.store import Store


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.spotfinding.parameters import SpotfinderParameters

    return {"spotfinder": SpotfinderParameters()}


def extras(_store: Store, runs: Sequence[RunInput], given: Values) -> Extras:
    """Return the mask and the maps of files that `lookup` names.

    Peaks of peakfinder8, where hits are found by them, are kept in the place of spots.
    """
    from dxdask.pipeline.lookup import lookups

    found = lookups(runs, given.spotfinder.lookup)
    hits = getattr(given, "hits", None)
    if hits is None or hits.method != "peakfinder8":
        return found
    return replace(found, contents={**found.contents, "peaks": hits.of_peaks})


def build(inputs: StepInputs) -> Delayed:
    """Return the spots of one run.

    Shoeboxes (`output.shoeboxes`) are read from the store.
    """
    from dxdask.graphs.spots import find_spots
    from dxdask.pipeline.lookup import maps_of
    from dxdask.spotfinding.parameters import LookupParameters
    from dxdask.spotfinding.sampled_bad_pixels import is_sampled, sampled_images

    run, lookup = inputs.run, inputs.extras.values.get("mask")
    given = inputs.parameters.spotfinder
    sample = None
    if is_sampled(run.experiment, given):
        sample = inputs.sample(sampled_images(run.experiment, given, run.shape[0]))
    return find_spots(
        inputs.frames(),
        run.experiment,
        run.mask if lookup is None else run.mask & lookup,
        given.model_copy(update={"lookup": LookupParameters()}),
        maps=maps_of(inputs.extras),
        stored=run.frames.array(),
        sample=sample,
    )


def combine(inputs: CombineInputs) -> StepResult:
    """Return tables and messages of all runs.

    Raises
    ------
    InputError
        No image of any sweep could be used.
    """
    from dxdask.spotfinding.result import combine_reports, require_usable_images

    require_usable_images(inputs.results)
    return combine_reports(inputs.results)


STEP = Step(
    name="find_spots",
    title="Find the strong spots of every run.",
    parameters=parameters,
    build=build,
    scope="run",
    kinds=("sweeps", "stills"),
    reads_frames=True,
    extras=extras,
    combine=combine,
    version="3",
    mask=("hot_mask", "write_hot_mask=true"),
    example="min_spot_size=4",
)
