"""Symmetry elements by the correlation of equivalents, Laue groups, systematic absences."""

from __future__ import annotations

import numpy as np

from dxdask.report.page.curves import stored
from dxdask.report.page.plots import Lines, Plot, Series
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables

_TABLES = (
    "operators", "laue_groups", "systematic_absences", "space_groups", "twinning", "reindexed",
)  # fmt: skip


def make(tables: StepTables) -> Section | None:
    """Return how the space group was determined."""
    plots = [*_elements(tables), *_laue_groups(tables), *_absences(tables)]
    named = stored(tables, "symmetry", *_TABLES)
    lines = list(tables.store.messages("symmetry"))
    return Section(lines=lines, plots=plots, tables=named) if lines or named else None


def _elements(tables: StepTables) -> list[Plot]:
    cc = tables.column("symmetry", "operators", "cc")
    if not len(cc):
        return []
    at, present = _numbers(cc), tables.texts("symmetry", "operators", "present") == "yes"
    return [
        Lines(
            title="Correlation of equivalents by symmetry element",
            x="row of the table of symmetry elements", y="CC",
            series=[
                Series(name, at[rows], cc[rows], "points")
                for name, rows in (("in the Laue group", present), ("not in it", ~present))
                if rows.any()
            ],
        )
    ]  # fmt: skip


def _laue_groups(tables: StepTables) -> list[Plot]:
    likelihood = tables.column("symmetry", "laue_groups", "likelihood")
    if len(likelihood) < 2:
        return []
    at = _numbers(likelihood)
    curves = [
        Series(name, at, tables.column("symmetry", "laue_groups", key), "points")
        for name, key in (
            ("likelihood", "likelihood"),
            ("CC of its elements", "cc_for"),
            ("CC of the others", "cc_against"),
        )
    ]
    return [
        Lines(title="Laue groups", x="row of the table of Laue groups", y="likelihood, CC",
              series=curves)
    ]  # fmt: skip


def _absences(tables: StepTables) -> list[Plot]:
    axes = tables.texts("symmetry", "systematic_absences", "screw_axis")
    if not len(axes):
        return []
    at = _numbers(axes)
    curves = [
        Series(f"axial reflections {name} by the screw axis", at, values, "points")
        for name in ("present", "absent")
        if np.isfinite(
            values := tables.column("symmetry", "systematic_absences", f"i_over_sigma_{name}")
        ).any()
    ]
    note = f"screw axes: {', '.join(f'{i} {axis}' for i, axis in enumerate(axes, 1))}"
    found = Lines(title="Systematic absences", x="row of the table of screw axes",
                  y="<I/sigma>", series=curves, note=note)  # fmt: skip
    return [found] if curves else []


def _numbers(values: np.ndarray) -> np.ndarray:
    return np.arange(1, len(values) + 1)


SECTION = SectionMaker(
    name="symmetry", title="Symmetry", order=9.5, make=make, needs=("symmetry",), kinds=("sweeps",)
)
