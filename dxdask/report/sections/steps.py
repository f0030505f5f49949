"""Times of the steps, problems, and results that are stale."""

from __future__ import annotations

from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables
from dxdask.tables import Table


def make(tables: StepTables) -> Section:
    """Return when and how long each step ran, and which frames and reflections failed."""
    from dxdask.pipeline.staleness import stale_steps

    stale = stale_steps(tables.store)
    rows = []
    for step in tables.steps():
        found = tables.store.step_attributes(step)
        seconds, memory = found.get("seconds", {}), found.get("peak_memory")
        rows.append(
            {
                "step": step,
                "reflections": found.get("n_reflections"),
                **{f"{name} (s)": float(value) for name, value in sorted(seconds.items())},
                "peak memory (GB)": None if memory is None else memory / 1e9,
                "at": str(found.get("created", ""))[:19],
                "state": stale.get(step, "complete"),
            }
        )
    keys = list(dict.fromkeys(k for row in rows for k in row))
    rows = [{k: row.get(k) for k in keys} for row in rows]
    problems = tables.store.problem_rows()
    return Section(
        tables=[
            Table(name="steps", title="Steps", rows=rows),
            Table(name="problems", title="Problems", rows=problems),
        ]
    )


SECTION = SectionMaker(name="steps", title="Times and problems", order=30, make=make)
