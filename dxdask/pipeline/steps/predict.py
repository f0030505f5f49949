"""Predicted reflections of each sweep."""

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
    from dxdask.prediction.parameters import PredictionParameters

    return {"prediction": PredictionParameters()}


def build(inputs: StepInputs) -> Delayed:
    """Return the predicted reflections of one run: one task."""
    from dask.delayed import delayed

    refined, name = inputs.results["refine"], inputs.run.name
    lazy: Delayed = delayed(_predict, pure=True)(refined, name, inputs.parameters)
    return lazy


def _predict(refined: StoredResult, run: str, given: Values) -> StepResult:
    from dxdask.prediction.step import predict

    return predict(refined.experiments(run=run), given.prediction)


STEP = Step(
    name="predict",
    title="Predict the reflections of every run, to any resolution.",
    parameters=parameters,
    build=build,
    needs=("refine",),
    scope="run",
    example="d_min=2.0",
)
"""It reads no frames, and no other step needs it: `integrate` predicts what it integrates."""
