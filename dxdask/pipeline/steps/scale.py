"""Reflections of all runs on one scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import Step, Values, one_task

if TYPE_CHECKING:
    from dxdask.pipeline.stored_result import StoredResult
    from dxdask.results import StepResult


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.scaling.parameters import ScalingParameters

    return {"scaling": ScalingParameters()}


def _scale(integrated: StoredResult, names: list[str], given: Values) -> StepResult:
    from dxdask.scaling import scale
    from dxdask.scaling.intensities import NEEDED_BY_FIT
    from dxdask.scaling.observations import NEEDED

    columns = integrated.present([*NEEDED, *NEEDED_BY_FIT, "intensity_prf_variance"])
    table, experiments = integrated.of_runs(names, columns)
    return scale(table, experiments, given.scaling)


STEP = Step(
    name="scale",
    title="Put all observations on one scale.",
    parameters=parameters,
    build=one_task(_scale, "integrate"),
    needs=("integrate",),
    carries="integrate",
    version="3",
)
