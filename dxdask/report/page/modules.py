"""Names of the modules of a detector."""

from __future__ import annotations

from dxdask.report.step_tables import StepTables


def module_names(tables: StepTables, step: str) -> list[str]:
    """Return the name of each panel of the first detector of a step, in their order."""
    if step not in tables or not len(tables.experiments(step)):
        return []
    # NXmx names are paths in the file
    names = [p.name.rpartition("/")[2] for p in tables.experiments(step)[0].detector.panels]
    distinct = len(set(names)) == len(names)
    return [name if distinct else f"panel {i}" for i, name in enumerate(names)]
