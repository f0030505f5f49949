"""Counts per photon of each run."""

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
    from dxdask.analysis.parameters import GainParameters

    return {"estimate_gain": GainParameters()}


def build(inputs: StepInputs) -> Delayed:
    """Return the gain of one run, from a sample of its images."""
    from dxdask.graphs.gain import estimate_gain

    run = inputs.run
    return estimate_gain(inputs.frames(), run.experiment, run.mask, inputs.parameters.estimate_gain)


def write_files(store: Store, given: Values) -> list[str]:
    """Write the gain maps to the file that `output.gain_map` names."""
    from dxdask.pipeline.gain_maps import gain_maps
    from dxdask.pipeline.mask_files import write_maps

    path = given.estimate_gain.output.gain_map
    return [] if path is None else write_maps(path, gain_maps(store))


STEP = Step(
    name="estimate_gain",
    title="Estimate counts per photon from how the counts of some images scatter.",
    parameters=parameters,
    build=build,
    scope="run",
    kinds=("sweeps", "stills"),
    reads_frames=True,
    write_files=write_files,
)
