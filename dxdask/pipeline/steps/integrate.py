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
    from dxdask.integration.lattices import SweepModels
    from dxdask.pipeline.inputs import RunInput
    from dxdask.pipeline.stored_result import StoredResult
    from dxdask.response import DetectorResponse
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
    from dxdask.integration.lattices import predict_lattices, with_lattices
    from dxdask.pipeline.lookup import maps_of

    run, given = inputs.run, inputs.parameters.integration
    # lazy models: attributes are those of what is computed, not of the type of a Delayed
    models: Any = delayed(_models, pure=True)(
        inputs.results["refine"], inputs.results["find_spots"], run.name, inputs.parameters
    )
    mask = delayed(_without_bad_pixels, pure=True)(run.mask, inputs.results["find_spots"], run.name)
    result = integrate(
        inputs.frames(),
        mask,
        models.first,
        given,
        predicted=delayed(predict_lattices, pure=True)(models, given),
        local=models.local,
        maps=maps_of(inputs.extras),
        response=_lazy_response(inputs),
    )
    lazy: Delayed = delayed(with_lattices, pure=True)(result, models)
    return lazy


def _lazy_response(inputs: StepInputs) -> Delayed | None:
    """Return the lazy response of the detector; None where it is not asked for or not known."""
    from dask.delayed import delayed

    found = inputs.results.get("calibrate_detector")
    if found is None or inputs.parameters.integration.detector_response == "none":
        return None
    lazy: Delayed = delayed(_response, pure=True)(found, inputs.run.name)
    return lazy


def _response(calibrated: StoredResult, run: str) -> DetectorResponse | None:
    from dxdask.response.model import response_of_run

    return response_of_run(calibrated.tables(), run)


def _without_bad_pixels(mask: Mask, spots: StoredResult, run: str) -> Mask:
    """Return the mask (slow, fast) of a run without the bad pixels that find_spots found."""
    bad = spots.pixel_map("bad_pixel_mask", run=run)
    return mask if bad is None else mask & bad


def _models(refined: StoredResult, spots: StoredResult, run: str, given: Values) -> SweepModels:
    """Return the lattices of a run with their profile."""
    from dxdask.integration.lattices import sweep_models
    from dxdask.pipeline.recut import pixels_on

    experiments, table = refined.experiments(run=run), refined.columns(run=run)
    pixels = pixels_on(spots, table, experiments[0].detector, run)
    return sweep_models(table, pixels, experiments, given.integration)


def bytes_per_pixel(given: Values) -> int:
    """Return the memory of a task for each pixel of a frame.

    Measured: the shape of the background of a run takes 133, of which its sums are 12.
    """
    return 136 if given.integration.background.algorithm == "gmodel" else 24


def combine(inputs: CombineInputs) -> StepResult:
    """Return tables and messages of all runs; models that runs share stay shared."""
    from dxdask.integration.result import combine_reports
    from dxdask.models import ExperimentList

    refined = inputs.needs["refine"].experiments()
    made = {r.experiments.runs[0]: list(r.experiments) for r in inputs.results}
    crystals, members = list(refined.crystals), []
    for m in refined.members:
        if m.crystal is None and len(made.get(m.run, [])) != 1:
            continue
        if not made.get(m.run):
            continue
        new = made[m.run].pop(0)
        place = m.crystal
        if new.crystal is not None and new.crystal.scan_points is not None:
            place = len(crystals)
            crystals.append(new.crystal)
        members.append(replace(m, profile=new.profile, crystal=place))
    models = replace(refined, members=tuple(members), crystals=tuple(crystals))
    # without the crystals that others, which vary along the scan, took the place of
    return combine_reports(inputs.results, ExperimentList.of(list(models)))


STEP = Step(
    name="integrate",
    title="Predict and integrate the reflections of every run.",
    parameters=parameters,
    build=build,
    needs=("find_spots", "refine"),
    uses=("calibrate_detector",),
    scope="run",
    reads_frames=True,
    extras=extras,
    combine=combine,
    bytes_per_pixel=bytes_per_pixel,
    version="10",
    example="d_min=2.5",
)
