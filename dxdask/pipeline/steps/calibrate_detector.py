"""Response of the detector: counts recorded for photons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import Step, StepInputs, Values

if TYPE_CHECKING:
    from dask.delayed import Delayed

    from dxdask.pipeline.stored_result import StoredResult
    from dxdask.results import StepResult


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.response import CalibrateDetectorParameters

    return {"calibrate_detector": CalibrateDetectorParameters()}


def build(inputs: StepInputs) -> Delayed:
    """Return the responses; reads the pixels of spots. Tasks: 1."""
    from dask.delayed import delayed

    names = [run.name for run in inputs.runs]
    results = inputs.results
    found: Delayed = delayed(_calibrate, pure=True)(
        results["find_spots"], results["index"], names, inputs.parameters
    )
    return found


def _calibrate(
    spots: StoredResult, indexed: StoredResult, names: list[str], given: Values
) -> StepResult:
    import numpy as np

    from dxdask.columns import Flag, has_flag
    from dxdask.models import ExperimentList
    from dxdask.response import calibrate_detector
    from dxdask.response.peaks import MOST_PIXELS, NAMES, PixelCounts, pixel_counts

    values, most = {}, 1
    for run in names:
        arrays = spots.pixels(("pixel_offsets", "pixel_value"), run=run)
        # other spots may be of bad pixels
        good = has_flag(indexed.columns(("flags",), run=run), Flag.INDEXED)
        values[run] = arrays["pixel_value"][np.repeat(good, np.diff(arrays["pixel_offsets"]))]
        most = max(most, len(values[run]))

    def pixels(run: str) -> PixelCounts:
        table = indexed.columns(("flags",), run=run)
        return pixel_counts(
            spots.pixels(NAMES, run=run),
            spots.columns(("panel",), run=run)["panel"],
            has_flag(table, Flag.INDEXED),
            every=-(-most // MOST_PIXELS),
        )

    experiments = ExperimentList.of([e for run in names for e in indexed.experiments(run=run)])
    return calibrate_detector(values, experiments, given.calibrate_detector, pixels)


STEP = Step(
    name="calibrate_detector",
    title="Find the response of the detector, counts for photons, from the pixels of spots.",
    parameters=parameters,
    build=build,
    needs=("find_spots", "index"),
    version="2",
)
