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
    parameters = [
        {"step": step, "parameter": name, "value": str(value)}
        for step in tables.steps()
        for name, value in _changed(tables, step)
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


def _changed(tables: StepTables, step: str) -> Iterator[tuple[str, Any]]:
    """Yield the parameters of a step that differ from their defaults."""
    from dxdask.errors import DxdaskError
    from dxdask.pipeline.step_parameters import step_parameters

    stored = dict(_flat(tables.store.step_attributes(step).get("parameters", {})))
    try:
        default = dict(_flat(step_parameters(step, tables.store.path)[0].model_dump(mode="json")))
    except DxdaskError:  # of a step that is declared elsewhere
        default = {}
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
