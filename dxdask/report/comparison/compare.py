"""Comparison of two branches, stores or runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dxdask.errors import InputError
from dxdask.report.comparison.matched import Matched, matched, matched_tables
from dxdask.report.comparison.sides import Side, sides
from dxdask.report.comparison.tables import BY_SHELL, tables
from dxdask.report.page.html import escape, page_html, section_html
from dxdask.report.page.make import opened, write_page
from dxdask.report.page.plots import Lines, Plot, Series, grid
from dxdask.report.page.sections import Section
from dxdask.storage.store.store import Store
from dxdask.tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PathOrStore = Store | str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Two sides, A and B; prints as text.

    Attributes
    ----------
    labels : of A and B. lines : of text. tables : `counts`, `rmsds`, `cells`, `overall`, `shells`,
    `parameters`, `matched`, `matched_shells`, those that both sides have results for. plots : of
    the page. matched : intensities of the same reflections, None where a side has none.
    """

    labels: tuple[str, str]
    lines: Sequence[str] = field(default=())
    tables: Sequence[Table] = field(default=())
    plots: Sequence[Plot] = field(default=())
    matched: Matched | None = None

    def __str__(self) -> str:
        return "\n\n".join(["\n".join(self.lines), *(str(t) for t in self.tables)])

    def table(self, name: str) -> Table:
        """Return a table by its name.

        Raises
        ------
        InputError
            There is none.
        """
        found = {t.name: t for t in self.tables}
        if name not in found:
            raise InputError(f"there is no table {name!r}; there are {', '.join(found) or 'none'}")
        return found[name]

    def to_dict(self) -> dict[str, Any]:
        """Return labels, lines and tables as JSON data."""
        return {
            "A": self.labels[0],
            "B": self.labels[1],
            "lines": list(self.lines),
            "tables": {t.name: [dict(r) for r in t.rows] for t in self.tables},
        }

    def plot(self, axes: Sequence[Axes] | None = None) -> list[Axes]:
        """Plot counts, cells, shells and matched intensities; return six axes, given or new."""
        from dxdask.report.comparison.plots import plot_comparison

        return plot_comparison(self.tables, self.matched, axes, labels=self.labels)

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write it as a page in the style of the report; return its path."""
        plots: list[Plot] = []
        section = Section(lines=self.lines, plots=self.plots, tables=self.tables)
        text = section_html("comparison", "Comparison", section, plots)
        heading = f"<h1>A: {escape(self.labels[0])}</h1><h1>B: {escape(self.labels[1])}</h1>"
        parts = [("comparison", "Comparison", text)]
        return write_page(page_html("dxdask comparison", parts, plots, heading), path)


def compare(
    a: PathOrStore,
    b: PathOrStore | None = None,
    *,
    branches: tuple[str, str] | None = None,
    runs: tuple[str, str] | None = None,
) -> Comparison:
    """Return two branches, stores or runs side by side.

    Parameters
    ----------
    a, b : stores, or their paths; b by default a.
    branches, runs : of a and b; by default as opened (main), and all.

    Raises
    ------
    InputError
        Both sides are the same, or a branch or run is not there.

    Examples
    --------
    >>> import dxdask
    >>> found = dxdask.compare("tiny.zarr", runs=("tiny_1", "tiny_3"))
    >>> found.table("counts").rows[0]["quantity"]
    'spots'
    """
    first = opened(a)
    one, other = sides((first, first if b is None else opened(b)), branches, runs)
    lines = [f"A: {one.label}", f"B: {other.label}"]
    found, plots = tables(one, other), _curves(one, other)
    both = matched(one, other)
    if both is None:
        lines.append("no intensities on both sides; run: dxdask integrate STORE")
    else:
        more, of_matched = matched_tables(both)
        lines += more
        found += of_matched
        plots += _pairs(both, of_matched)
    return Comparison(
        labels=(one.label, other.label), lines=lines, tables=found, plots=plots, matched=both
    )


def _curves(a: Side, b: Side) -> list[Plot]:
    plots: list[Plot] = []
    if a.run is None and b.run is None:
        for name in BY_SHELL:
            series = [s for side in (a, b) if (s := _of_shells(side, name)) is not None]
            if series:
                plots.append(
                    Lines(title=f"{name} by resolution", x="resolution d (Å)", y=name,
                          series=series, resolution=True, log_y=name == "i_over_sigma")
                )  # fmt: skip
    for step, table, name, title in (
        ("find_spots", "images", "n_spots", "Spots by image"),
        ("integrate", "images", "mean_background", "Background by image"),
    ):
        series = []
        for letter, side in (("A", a), ("B", b)):
            rows = side.rows(step, table)
            for run in dict.fromkeys(str(r["run"]) for r in rows):
                own = [r for r in rows if r["run"] == run]
                y = np.array([np.nan if r.get(name) is None else r[name] for r in own], float)
                series.append(Series(f"{letter} {run}", np.array([r["image"] for r in own]), y))
        if 0 < len(series) <= 40:
            plots.append(Lines(title=title, x="image", y=name, series=series))
    return plots


def _of_shells(side: Side, name: str) -> Series | None:
    rows = [r for r in side.rows("merge", "shells") if r.get(name) is not None]
    if not rows:
        return None
    x = np.array([(r["d_min"] ** -2 + r["d_max"] ** -2) / 2 for r in rows])
    return Series(side.label, x, np.array([float(r[name]) for r in rows]))


def _pairs(found: Matched, of_matched: Sequence[Table]) -> list[Plot]:
    good = (found.a > 0) & (found.b > 0)
    plots: list[Plot] = []
    if good.any():
        plots.append(
            grid("Matched intensities", found.a[good], found.b[good],
                 ("intensity, A", "intensity, B"), log_x=True, log_y=True)
        )  # fmt: skip
    shells = next((t.rows for t in of_matched if t.name == "matched_shells"), [])
    if shells:
        x = np.array([(r["d_min"] ** -2 + r["d_max"] ** -2) / 2 for r in shells])
        series = [
            Series(n, x, np.array([np.nan if r[n] is None else r[n] for r in shells], float))
            for n in ("correlation", "slope")
        ]
        plots.append(
            Lines(title="Matched intensities by resolution", x="resolution d (Å)",
                  y="correlation, slope", series=series, resolution=True)
        )  # fmt: skip
    return plots
