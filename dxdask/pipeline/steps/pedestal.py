"""Pedestal, noise and bad pixels of a dark run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import Step, StepInputs

if TYPE_CHECKING:
    from dask.delayed import Delayed


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.calibration.parameters import DarkParameters

    return {"dark": DarkParameters()}


def build(inputs: StepInputs) -> Delayed:
    """Return the pedestal of one run."""
    from dask.delayed import delayed

    from dxdask.calibration.result import dark_result
    from dxdask.graphs.dark import pedestal
    from dxdask.graphs.literal import literal

    run = inputs.run
    dark = pedestal(inputs.frames(), run.experiment.detector, inputs.parameters.dark)
    models = literal(run.experiment)
    result: Delayed = delayed(dark_result, pure=True)(dark, models)
    return result


STEP = Step(
    name="pedestal",
    title="Reduce a dark run to pedestal, noise and bad pixels.",
    parameters=parameters,
    build=build,
    scope="run",
    kinds=("sweeps", "stills"),
    reads_frames=True,
    as_recorded=True,
)
