"""Indexed spots and their crystals in other axes; refine takes them in place of those of index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import Extras, Step, Values, one_task

if TYPE_CHECKING:
    from dxdask.pipeline.inputs import RunInput
    from dxdask.pipeline.stored_result import StoredResult
    from dxdask.results import StepResult
    from dxdask.storage.store.store import Store


def parameters() -> Mapping[str, Parameters]:
    """Return the groups of parameters."""
    from dxdask.reindex.parameters import ReindexParameters

    return {"reindex": ReindexParameters()}


def extras(store: Store, runs: Sequence[RunInput], given: Values) -> Extras:
    """Return the solution and the reference that the parameters name."""
    from dxdask.pipeline.reindex_inputs import extras

    return extras(store, runs, given)


def reindexed(
    found: StoredResult, names: list[str], given: Values, values: Mapping[str, Any]
) -> StepResult:
    """Return the result of a step in other axes; values : those of `extras`."""
    from dxdask.reindex import reindex

    wanted = ["experiment", "hkl", "flags", "intensity_sum", "lp", "partiality"]
    columns = found.present(wanted if "reference" in values else wanted[:3])
    table, experiments = found.of_runs(names, columns)
    return reindex(table, experiments, given.reindex, **values)


STEP = Step(
    name="reindex",
    title="Give indexed crystals other axes, by operator, setting, space group or reference.",
    parameters=parameters,
    build=one_task(reindexed, "index", with_extras=True),
    needs=("index",),
    carries="index",
    extras=extras,
    otherwise="integrated reflections are reindexed by: dxdask reindex_integrated",
    example='change_of_basis_op="k,h,-l"',
)
