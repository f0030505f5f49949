"""Integrated reflections of each sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import CombineInputs, Extras, Step, StepInputs, Values

if TYPE_CHECKING:
    from dask.delayed import Delayed

    from dxdask.arrays import Mask
    from dxdask.pipeline.inputs import RunInput
    from dxdask.pipeline.stored_result import StoredResult
    from dxdask.results import StepResult
    from dxdask.storage.store.store import Store


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.integration.parameters import IntegrationParameters

    return {"integration": IntegrationParameters()}


def extras(store: Store, runs: Sequence[RunInput], given: Values) -> Extras:
    """Return gain and pedestal of single pixels, those that find_spots took."""
    from dxdask.pipeline.lookup import maps_of_find_spots

    return maps_of_find_spots(store, runs, given)


def build(inputs: StepInputs) -> Delayed:
    """Return the integrated reflections of one run; its frames are read once."""
    from dask.delayed import delayed

    from dxdask.graphs.integrate import integrate
    from dxdask.pipeline.lookup import maps_of

    run, given = inputs.run, inputs.parameters.integration
    # a lazy pair, which can be indexed; the type of a Delayed does not express it
    profile: Any = delayed(_profile, pure=True)(
        inputs.results["refine"], inputs.results["find_spots"], run.name, inputs.parameters
    )
    mask = delayed(_without_bad_pixels, pure=True)(run.mask, inputs.results["find_spots"], run.name)
    maps = maps_of(inputs.extras)
    return integrate(inputs.frames(), mask, profile[0], given, local=profile[1], maps=maps)


def _without_bad_pixels(mask: Mask, spots: StoredResult, run: str) -> Mask:
    """Return the mask (slow, fast) of a run without the bad pixels that find_spots found."""
    bad = spots.pixel_map("bad_pixel_mask", run=run)
    return mask if bad is None else mask & bad


def _profile(
    refined: StoredResult, spots: StoredResult, run: str, given: Values
) -> tuple[Any, Any]:
    """Return the experiment of a run with its profile, and its local profile if one is fitted.

    Its crystal varies along the scan where the spots show that it does.
    """
    from dxdask.integration.local_profile import local_profiles
    from dxdask.integration.profile_model import estimate_profile
    from dxdask.integration.setting import setting_along_scan
    from dxdask.pipeline.recut import pixels_on

    experiments, table = refined.experiments(run=run), refined.columns(run=run)
    if given.integration.profile.scan_varying:
        experiments, table, *_ = setting_along_scan(table, experiments)
    pixels = pixels_on(spots, table, experiments[0].detector, run)
    experiments = estimate_profile(table, pixels, experiments, given.integration)
    if not given.integration.profile.fitting:
        return experiments[0], None
    return experiments[0], local_profiles(table, pixels, experiments, given.integration.profile)[0]


def combine(inputs: CombineInputs) -> StepResult:
    """Return tables and messages of all runs; models that runs share stay shared."""
    from dxdask.integration.result import combine_reports

    refined = inputs.needs["refine"].experiments()
    made = {e.run: e for r in inputs.results for e in r.experiments}
    crystals, members = list(refined.crystals), []
    for m in refined.members:
        if m.run not in made:
            continue
        crystal, place = made[m.run].crystal, m.crystal
        if crystal is not None and crystal.scan_points is not None:
            place = len(crystals)
            crystals.append(crystal)
        members.append(replace(m, profile=made[m.run].profile, crystal=place))
    new = replace(refined, members=tuple(members), crystals=tuple(crystals))
    return combine_reports(inputs.results, new)


STEP = Step(
    name="integrate",
    title="Predict and integrate the reflections of every run.",
    parameters=parameters,
    build=build,
    needs=("find_spots", "refine"),
    scope="run",
    reads_frames=True,
    extras=extras,
    combine=combine,
    version="5",
    example="d_min=2.5",
)
