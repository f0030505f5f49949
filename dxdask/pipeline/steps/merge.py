"""Unique reflections of sweeps."""

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
    from dxdask.merging.parameters import MergingParameters

    return {"merging": MergingParameters()}


def _merge(scaled: StoredResult, names: list[str], given: Values) -> StepResult:
    from dxdask.merging import merge_by_wavelength
    from dxdask.merging.equivalents import NEEDED
    from dxdask.pipeline.processing import isa_of

    columns = scaled.present([*NEEDED, "partiality", "z_cal"])
    table, experiments = scaled.of_runs(names, columns)
    return merge_by_wavelength(table, experiments, given.merging, isa_of(scaled.tables()))


STEP = Step(
    name="merge",
    title="Merge to unique reflections of each wavelength, with statistics by shell.",
    parameters=parameters,
    build=one_task(_merge, "scale"),
    needs=("scale",),
    version="7",
)
