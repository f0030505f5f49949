"""Runs with their geometry, and the parameters of each step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.runs import run_rows
from dxdask.report.step_tables import StepTables
from dxdask.tables import Table, shortened

_SHOWN = (
    "run", "n_images", "frame", "dtype", "wavelength_A", "transmission", "distance_mm", "beam_x_px",
    "beam_y_px", "n_panels", "start_deg", "width_deg", "trusted_range", "gain", "linked_to",
)  # fmt: skip


def make(tables: StepTables) -> Section:
    """Return what was processed, and with what parameters."""
    rows = [{k: _text(row[k]) for k in _SHOWN} for row in run_rows(tables.store)]
    default = _defaults(tables)
    parameters = [
        {"step": step, "parameter": name, "value": str(value)}
        for step in tables.steps()
        for name, value in _changed(tables, step, default)
    ]
    lines = [] if rows else ["the store has no runs; import some: dxdask import FILES -o STORE"]
    versions = tables.store.attributes.get("versions", {})
    lines.append(f"software: {shortened([f'{k} {v}' for k, v in versions.items()], 12)}")
    return Section(
        lines=lines,
        tables=[
            Table(name="runs", title=f"{len(rows)} runs, as imported", rows=rows),
            Table(name="parameters", title="Parameters that are not at default", rows=parameters),
        ],
    )


def _text(value: Any) -> Any:
    return ", ".join(f"{v:g}" for v in value) if isinstance(value, list) else value


def _defaults(tables: StepTables) -> dict[str, Any]:
    """Return the parameters of all steps of the kind of the runs, at default."""
    from dxdask.pipeline.inputs import kind_of
    from dxdask.pipeline.steps import parameters_of_kind

    if not tables.steps() or not tables.runs:
        return {}
    kind = kind_of(tables.run_experiment(tables.runs[0]))
    return dict(_flat(parameters_of_kind(kind)().model_dump(mode="json")))


def _changed(
    tables: StepTables, step: str, default: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Yield the parameters of a step that differ from their defaults."""
    stored = dict(_flat(tables.store.step_attributes(step).get("parameters", {})))
    for name, value in stored.items():
        if name not in default or default[name] != value:
            yield name, value


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


SECTION = SectionMaker(name="runs", title="Runs and parameters", order=1, make=make)
