"""Cells with standard uncertainties, by the scattering angles of integrated reflections."""

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
    from dxdask.two_theta.parameters import TwoThetaParameters

    return {"two_theta": TwoThetaParameters()}


def _refine(integrated: StoredResult, names: list[str], given: Values) -> StepResult:
    from dxdask.two_theta import two_theta_refine
    from dxdask.two_theta.angles import COLUMNS

    table, experiments = integrated.of_runs(names, integrated.present(COLUMNS))
    return two_theta_refine(table, experiments, given.two_theta)


STEP = Step(
    name="two_theta_refine",
    title="Refine the cell against the scattering angles of all runs, with uncertainties.",
    parameters=parameters,
    build=one_task(_refine, "integrate"),
    needs=("integrate",),
    otherwise="the cells of indexed spots are those of refine",
    alternatives={"integrate": ("symmetry", "reindex_integrated")},
)
