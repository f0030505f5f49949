"""How a result in a store was made, for the headers of exported files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dxdask.parameters.entries import changed
from dxdask.parameters.stored import stored_parameters
from dxdask.pipeline.inputs import kind_of_store
from dxdask.pipeline.staleness import stale_steps
from dxdask.pipeline.step_parameters import step_parameters
from dxdask.pipeline.steps import all_steps, closure, steps_of_kind
from dxdask.storage.exporters.processing import Processing, StepRecord
from dxdask.storage.store.store import Store
from dxdask.tables import Table

_STATISTICS = ("scale", "merge")
"""Steps that the statistics of merging belong to."""
LARGEST_ISA = 1000.0
"""ISa beyond which the data show no systematic error, so that none is known."""


def processing_of(store: Store, step: str) -> Processing:
    """Return the steps that made the result of a step, with parameters that are not at default.

    The statistics of merging are those of the store, unless they are stale.
    """
    kind, made = kind_of_store(store), [step]
    if kind is not None and any(step == s.name for s in steps_of_kind(kind)):
        made = [s.name for s in closure([step], kind, store.has_step)]
    made = [name for name in made if store.has_step(name)]
    fresh = store.has_step("merge") and "merge" not in stale_steps(store)
    tables = store.tables("merge") if step in _STATISTICS and fresh else ()
    return Processing(
        steps=tuple(_record(store, name) for name in made),
        tables={table.name: table for table in tables},
        isa=isa_of(store.tables("scale")) if "scale" in made else None,
    )


def isa_of(tables: Iterable[Table]) -> float | None:
    """Return the asymptotic I/sigma of the tables of scaling, None where it is not known.

    Of an error model sigma'^2 = a^2 (sigma^2 + (b I)^2) it is 1 / (a b), that of the strongest
    reflections (ISa: Diederichs 2010, Acta Cryst. D66, 733).
    """
    rows: list[Mapping[str, Any]] = [
        row for table in tables if table.name == "error_model" for row in table.rows
    ]
    limit = rows[0].get("i_over_sigma_limit") if rows else None
    return None if limit is None or limit > LARGEST_ISA else float(limit)


def _record(store: Store, name: str) -> StepRecord:
    """Return the record of a step, without parameters where dxdask does not declare it."""
    attributes = store.step_attributes(name)
    parameters: list[str] = []
    if any(name == step.name for step in all_steps()):
        model = type(step_parameters(name, store.path)[0])
        parameters = changed(stored_parameters(model, attributes.get("parameters", {})))
    return StepRecord(
        name=name,
        created=str(attributes.get("created", "")),
        version=str(attributes.get("versions", {}).get("dxdask", "")),
        parameters=tuple(parameters),
    )
