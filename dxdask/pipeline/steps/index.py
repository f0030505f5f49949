"""Lattice, indices and first models of sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import CombineInputs, Scope, Step, Values, one_task

if TYPE_CHECKING:
    from dxdask.pipeline.stored_result import StoredResult
    from dxdask.results import StepResult


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.indexing.parameters import IndexParameters
    from dxdask.refinement.parameters import RefinementParameters

    return {"indexing": IndexParameters(), "refinement": RefinementParameters()}


def scope(given: Values) -> Scope:
    """Return the scope: the ensemble if runs share a crystal, else the run."""
    return "ensemble" if given.indexing.joint_indexing else "run"


def _index(spots: StoredResult, names: list[str], given: Values) -> StepResult:
    """Return the spots with indices, and the models; of all runs, or of one."""
    from dxdask.errors import DxdaskError, plain
    from dxdask.indexing import index
    from dxdask.indexing.index import COLUMNS_NEEDED
    from dxdask.indexing.reciprocal import without_crystals
    from dxdask.indexing.separate import unindexed

    columns = spots.present([*COLUMNS_NEEDED, "bbox"])
    table, experiments = spots.of_runs(names, columns)
    try:
        return index(table, experiments, given.indexing, given.refinement)
    except DxdaskError as error:
        if given.indexing.joint_indexing:
            raise
        # the other runs are indexed all the same
        return unindexed(table, without_crystals(experiments), plain(error))


def combine(inputs: CombineInputs) -> StepResult:
    """Return tables and messages of runs that were indexed by themselves."""
    from dxdask.indexing.separate import combine_reports

    return combine_reports(inputs.results)


STEP = Step(
    name="index",
    title="Find the lattice, index the spots and refine, all runs together.",
    parameters=parameters,
    build=one_task(_index, "find_spots"),
    needs=("find_spots",),
    carries="find_spots",
    scope=scope,
    combine=combine,
    version="3",
)
