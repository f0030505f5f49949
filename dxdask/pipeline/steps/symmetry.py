"""The space group of integrated reflections; scale takes them in its axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from dxdask.errors import InputError
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
    from dxdask.symmetry.parameters import SymmetryParameters

    return {"symmetry": SymmetryParameters()}


def extras(store: Store, runs: Sequence[RunInput], given: Values) -> Extras:
    """Return the reference that the parameters name."""
    if not given.symmetry.reference.is_given:
        return Extras()
    from dxdask.pipeline.reindex_inputs import extras

    named = SimpleNamespace(solution=None, reference=given.symmetry.reference)
    return extras(store, runs, SimpleNamespace(reindex=named))


def build(inputs: StepInputs) -> Delayed:
    """Return one task, which determines the symmetry of the integrated reflections."""
    from dask.delayed import delayed

    names = [run.name for run in inputs.runs]
    lazy: Delayed = delayed(_symmetry, pure=True)(
        inputs.results["integrate"], names, inputs.parameters, dict(inputs.extras.values),
        may_fail=inputs.may_fail,
    )  # fmt: skip
    return lazy


def _symmetry(
    integrated: StoredResult,
    names: list[str],
    given: Values,
    values: Mapping[str, Any],
    *,
    may_fail: bool,
) -> StepResult:
    from dxdask.symmetry import symmetry, unchanged
    from dxdask.symmetry.intensities import NEEDED, OF_FIT

    table, experiments = integrated.of_runs(names, integrated.present([*NEEDED, *OF_FIT]))
    try:
        return symmetry(table, experiments, given.symmetry, **values)
    except InputError as error:
        if not may_fail:
            raise
        known = given.symmetry.known_space_group is not None
        return unchanged(table, experiments, str(error), known=known)


STEP = Step(
    name="symmetry",
    title="Determine the space group and bring all crystals to its axes.",
    parameters=parameters,
    build=build,
    needs=("integrate",),
    carries="integrate",
    alternatives={"integrate": ("reindex_integrated",)},
    extras=extras,
    optional=True,
    version="5",
)
