"""What was found, and what is suspicious."""

from __future__ import annotations

from dxdask.report.found import found
from dxdask.report.page.sections import Section, SectionMaker, Verdict
from dxdask.report.step_tables import StepTables
from dxdask.report.suspicions import suspicions
from dxdask.tables import Table


def make(tables: StepTables) -> Section:
    """Return the verdicts, each with what to do, and the figures of the steps."""
    rows = [{"result": name, "": text} for name, text in found(tables)]
    doubts = [Verdict(s.text, s.action, s.section) for s in suspicions(tables)]
    lines = [] if rows else [f"no step has run; begin with: dxdask find_spots {tables.store.path}"]
    if rows and not doubts:
        lines = ["nothing is suspicious"]
    return Section(
        lines=lines, verdicts=doubts, tables=[Table(name="found", title="Found", rows=rows)]
    )


SECTION = SectionMaker(name="summary", title="Summary", order=0, make=make)
