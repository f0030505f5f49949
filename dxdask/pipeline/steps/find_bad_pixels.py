"""Bad pixels of all runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import Step, StepInputs, Values

if TYPE_CHECKING:
    from dask.delayed import Delayed

    from dxdask.storage.store.store import Store


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.analysis.parameters import BadPixelParameters

    return {"find_bad_pixels": BadPixelParameters()}


def build(inputs: StepInputs) -> Delayed:
    """Return the bad pixels of all runs; all frames are read once."""
    from dxdask.graphs.bad_pixels import find_bad_pixels
    from dxdask.models import ExperimentList

    return find_bad_pixels(
        [inputs.frames(run) for run in inputs.runs],
        ExperimentList.of([run.experiment for run in inputs.runs]),
        [run.mask for run in inputs.runs],
        inputs.parameters.find_bad_pixels,
    )


def write_files(store: Store, given: Values) -> list[str]:
    """Write the masks to the file that `output.mask` names."""
    from dxdask.pipeline.mask_files import write_masks

    return write_masks(store, STEP.name, given.find_bad_pixels.output.mask)


STEP = Step(
    name="find_bad_pixels",
    title="Find pixels that are dead, hot or strong in too many images.",
    parameters=parameters,
    build=build,
    kinds=("sweeps", "stills"),
    reads_frames=True,
    as_recorded=True,
    write_files=write_files,
    mask=("mask", ""),
    # four sums of 18 bytes a pixel, three of them being combined
    bytes_per_pixel=72,
)
