"""Reflections of all runs on one scale."""

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
    from dxdask.scaling.parameters import ScalingParameters

    return {"scaling": ScalingParameters()}


def extras(store: Store, runs: Sequence[RunInput], given: Values) -> Extras:
    """Return the reference that the parameters name."""
    if not given.scaling.reference.is_given:
        return Extras()
    from types import SimpleNamespace

    from dxdask.pipeline.reindex_inputs import extras

    named = SimpleNamespace(solution=None, reference=given.scaling.reference)
    return extras(store, runs, SimpleNamespace(reindex=named))


def _scale(
    integrated: StoredResult, names: list[str], given: Values, values: Mapping[str, Any]
) -> StepResult:
    from dxdask.scaling.filtering import scale_and_filter
    from dxdask.scaling.intensities import NEEDED_BY_FIT
    from dxdask.scaling.observations import NEEDED
    from dxdask.scaling.scale import chosen_observations, columns_after, scaled_result

    more = ("x_cal", "y_cal", "panel") if given.scaling.model == "array" else ()
    columns = integrated.present([*NEEDED, *NEEDED_BY_FIT, "intensity_prf_variance", *more])
    table, experiments = integrated.of_runs(names, columns)
    chosen = chosen_observations(table, experiments, given.scaling)
    # the memory of the other columns is needed by the fit
    kept = columns_after(experiments, given.scaling)
    table = {name: table[name] for name in kept if name in table}
    scaled = scale_and_filter(
        chosen.observations, experiments, chosen.group, given.scaling, chosen.variables, **values
    )
    return scaled_result(table, experiments, chosen, scaled, given.scaling)


STEP = Step(
    name="scale",
    title="Put all observations on one scale.",
    parameters=parameters,
    build=one_task(_scale, "integrate", with_extras=True),
    extras=extras,
    needs=("integrate",),
    carries="integrate",
    alternatives={"integrate": ("symmetry", "reindex_integrated")},
    version="9",
)
