"""Bravais settings of the lattice."""

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
    from dxdask.indexing.parameters import BravaisParameters
    from dxdask.refinement.parameters import RefinementParameters

    return {"bravais": BravaisParameters(), "refinement": RefinementParameters()}


def _settings(indexed: StoredResult, names: list[str], given: Values) -> StepResult:
    from dxdask.indexing import refine_bravais_settings

    table, experiments = indexed.of_runs(names)
    return refine_bravais_settings(table, experiments, given.bravais, given.refinement)


STEP = Step(
    name="refine_bravais_settings",
    title="Try the lattice's Bravais settings and recommend one.",
    parameters=parameters,
    build=one_task(_settings, "index"),
    needs=("index",),
)
