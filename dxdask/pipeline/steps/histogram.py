"""Pixel histogram of the indexed spots of each run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import CombineInputs, Step, StepInputs, Values

if TYPE_CHECKING:
    from dask.delayed import Delayed

    from dxdask.pipeline.stored_result import StoredResult
    from dxdask.results import StepResult


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.analysis.parameters import HistogramParameters

    return {"histogram": HistogramParameters()}


def build(inputs: StepInputs) -> Delayed:
    """Return the histogram of one run."""
    from dask.delayed import delayed

    spots, indexed = inputs.results["find_spots"], inputs.results["index"]
    found: Delayed = delayed(_histogram, pure=True)(
        spots, indexed, inputs.run.name, inputs.parameters
    )
    return found


def _histogram(spots: StoredResult, indexed: StoredResult, run: str, given: Values) -> StepResult:
    from dxdask.analysis import histogram

    return histogram(
        indexed.columns(("experiment", "flags", "panel", "bbox"), run=run),
        spots.pixels(("pixel_offsets", "pixel_value"), run=run) | spots.saturated(run=run),
        indexed.experiments(run=run),
        given.histogram,
    )


def combine(inputs: CombineInputs) -> StepResult:
    """Return tables of all runs, which have the same bins."""
    from dxdask.results import joined

    run = inputs.results[0].experiments.runs[0]
    return replace(joined(inputs.results), arrays=dict(inputs.read_arrays(run, ("bin_centres",))))


STEP = Step(
    name="histogram",
    title="Count the pixel values of each run's indexed spots.",
    parameters=parameters,
    build=build,
    needs=("find_spots", "index"),
    scope="run",
    combine=combine,
    version="2",
)
