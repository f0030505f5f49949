"""Indexed spots and their crystals in other axes; refine takes them in place of those of index."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import Extras, Step, StepInputs, Values

if TYPE_CHECKING:
    from dask.delayed import Delayed

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


def builder(need: str) -> Callable[[StepInputs], Delayed]:
    """Return a builder of one task, which reindexes the result of a step."""

    def build(inputs: StepInputs) -> Delayed:
        from dask.delayed import delayed

        names = [run.name for run in inputs.runs]
        lazy: Delayed = delayed(_reindex, pure=True)(
            inputs.results[need], names, inputs.parameters, dict(inputs.extras.values)
        )
        return lazy

    return build


def _reindex(
    found: StoredResult, names: list[str], given: Values, values: Mapping[str, Any]
) -> StepResult:
    from dxdask.reindex import reindex

    wanted = ["experiment", "hkl", "flags", "intensity_sum", "lp", "partiality"]
    columns = found.present(wanted if "reference" in values else wanted[:3])
    table, experiments = found.of_runs(names, columns)
    return reindex(table, experiments, given.reindex, **values)


STEP = Step(
    name="reindex",
    title="Give indexed crystals other axes, by operator, setting, space group or reference.",
    parameters=parameters,
    build=builder("index"),
    needs=("index",),
    carries="index",
    extras=extras,
    otherwise="integrated reflections are reindexed by: dxdask reindex_integrated",
    example='change_of_basis_op="k,h,-l"',
)
