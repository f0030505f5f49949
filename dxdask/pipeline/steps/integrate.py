"""Integrated reflections of each sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import CombineInputs, Step, StepInputs, Values

if TYPE_CHECKING:
    from dask.delayed import Delayed

    from dxdask.arrays import Mask
    from dxdask.pipeline.stored_result import StoredResult
    from dxdask.results import StepResult


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.integration.parameters import IntegrationParameters

    return {"integration": IntegrationParameters()}


def build(inputs: StepInputs) -> Delayed:
    """Return the integrated reflections of one run; its frames are read once."""
    from dask.delayed import delayed

    from dxdask.graphs.integrate import integrate

    run, given = inputs.run, inputs.parameters.integration
    # a lazy pair, which can be indexed; the type of a Delayed does not express it
    profile: Any = delayed(_profile, pure=True)(
        inputs.results["refine"], inputs.results["find_spots"], run.name, inputs.parameters
    )
    mask = delayed(_without_bad_pixels, pure=True)(run.mask, inputs.results["find_spots"], run.name)
    return integrate(inputs.frames(), mask, profile[0], given, local=profile[1])


def _without_bad_pixels(mask: Mask, spots: StoredResult, run: str) -> Mask:
    """Return the mask (slow, fast) of a run without the bad pixels that find_spots found."""
    bad = spots.pixel_map("bad_pixel_mask", run=run)
    return mask if bad is None else mask & bad


def _profile(
    refined: StoredResult, spots: StoredResult, run: str, given: Values
) -> tuple[Any, Any]:
    """Return the experiment of a run with its profile, and its local profile if one is fitted."""
    from dxdask.integration.local_profile import local_profiles
    from dxdask.integration.profile_model import estimate_profile

    table, pixels = refined.columns(run=run), spots.pixels(run=run)
    experiments = estimate_profile(table, pixels, refined.experiments(run=run), given.integration)
    if not given.integration.profile.fitting:
        return experiments[0], None
    return experiments[0], local_profiles(table, pixels, experiments, given.integration.profile)[0]


def combine(inputs: CombineInputs) -> StepResult:
    """Return tables and messages of all runs; models that runs share stay shared."""
    from dxdask.integration.result import combine_reports

    refined = inputs.needs["refine"].experiments()
    profiles = {e.run: e.profile for r in inputs.results for e in r.experiments}
    members = tuple(
        replace(m, profile=profiles[m.run]) for m in refined.members if m.run in profiles
    )
    return combine_reports(inputs.results, replace(refined, members=members))


STEP = Step(
    name="integrate",
    title="Predict and integrate the reflections of every run.",
    parameters=parameters,
    build=build,
    needs=("find_spots", "refine"),
    scope="run",
    reads_frames=True,
    combine=combine,
    version="3",
    example="d_min=2.5",
)
