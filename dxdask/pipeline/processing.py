"""How a result in a store was made, for the headers of exported files."""

from __future__ import annotations

from dxdask.merging.isa import isa_of
from dxdask.parameters.entries import changed
from dxdask.parameters.stored import stored_parameters
from dxdask.pipeline.inputs import kind_of_store
from dxdask.pipeline.staleness import stale_steps
from dxdask.pipeline.step_parameters import step_parameters
from dxdask.pipeline.steps import closure
from dxdask.storage.exporters.processing import Processing, StepRecord
from dxdask.storage.store.store import Store

_STATISTICS = ("scale", "merge")
"""Steps that the statistics of merging belong to."""


def processing_of(store: Store, step: str) -> Processing:
    """Return the steps that made the result of a step, with parameters that are not at default.

    The statistics of merging are those of the store, unless they are stale.
    """
    kind = kind_of_store(store)
    names = (
        [step]
        if kind is None
        else [s.name for s in closure([step], kind, store.has_step) if store.has_step(s.name)]
    )
    fresh = store.has_step("merge") and "merge" not in stale_steps(store)
    tables = store.tables("merge") if step in _STATISTICS and fresh else ()
    return Processing(
        steps=tuple(_record(store, name) for name in names),
        tables={table.name: table for table in tables},
        isa=isa_of(store.tables("scale")) if "scale" in names else None,
    )


def _record(store: Store, name: str) -> StepRecord:
    attributes = store.step_attributes(name)
    model = type(step_parameters(name, store.path)[0])
    values = stored_parameters(model, attributes.get("parameters", {}))
    return StepRecord(
        name=name,
        created=str(attributes.get("created", "")),
        version=str(attributes.get("versions", {}).get("dxdask", "")),
        parameters=tuple(changed(values)),
    )
