"""Lattice, indices and first models of sweeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import CombineInputs, Extras, Scope, Step, StepInputs, Values

if TYPE_CHECKING:
    from dask.delayed import Delayed

    from dxdask.pipeline.beam_centres import Shifts
    from dxdask.pipeline.inputs import RunInput
    from dxdask.pipeline.stored_result import StoredResult
    from dxdask.results import StepResult
    from dxdask.storage.store.store import Store


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.indexing.parameters import IndexParameters
    from dxdask.refinement.parameters import RefinementParameters

    return {"indexing": IndexParameters(), "refinement": RefinementParameters()}


def scope(given: Values) -> Scope:
    """Return the scope: the ensemble if runs share a crystal, else the run."""
    return "ensemble" if given.indexing.joint_indexing else "run"


def extras(store: Store, runs: Sequence[RunInput], given: Values) -> Extras:
    """Return the beam centres that search_beam_position found."""
    from dxdask.pipeline.beam_centres import found_beam_shifts

    return found_beam_shifts(store, runs, given)


def build(inputs: StepInputs) -> Delayed:
    """Return the lazy result, of all runs or of one."""
    from dask.delayed import delayed

    shifts = inputs.extras.values.get("beam_shifts", {})
    names = [run.name for run in inputs.runs]
    lazy: Delayed = delayed(_index, pure=True)(
        inputs.results["find_spots"], names, inputs.parameters, shifts
    )
    return lazy


def _index(spots: StoredResult, names: list[str], given: Values, shifts: Shifts) -> StepResult:
    """Return the spots with indices, and the models; of all runs, or of one."""
    from dxdask.errors import DxdaskError, plain
    from dxdask.indexing import index
    from dxdask.indexing.index import COLUMNS_NEEDED
    from dxdask.indexing.reciprocal import without_crystals
    from dxdask.indexing.separate import unindexed
    from dxdask.pipeline.beam_centres import with_found_beam_centres

    columns = spots.present([*COLUMNS_NEEDED, "bbox"])
    table, experiments = spots.of_runs(names, columns)
    experiments, lines = with_found_beam_centres(experiments, shifts)
    try:
        result = index(table, experiments, given.indexing, given.refinement)
    except DxdaskError as error:
        if given.indexing.joint_indexing:
            raise
        # the other runs are indexed all the same
        result = unindexed(table, without_crystals(experiments), plain(error))
    return replace(result, messages=(*lines, *result.messages))


def combine(inputs: CombineInputs) -> StepResult:
    """Return tables and messages of runs that were indexed by themselves."""
    from dxdask.indexing.separate import combine_reports

    return combine_reports(inputs.results)


STEP = Step(
    name="index",
    title="Find the lattices, index the spots and refine, all runs together.",
    parameters=parameters,
    build=build,
    needs=("find_spots",),
    carries="find_spots",
    scope=scope,
    extras=extras,
    combine=combine,
    version="6",
)
