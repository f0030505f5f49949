"""Intensities of the same reflections at several transmissions, by intensity and module."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.report.page.curves import stored
from dxdask.report.page.modules import module_names
from dxdask.report.page.plots import Lines, Plot, Series, grid
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables
from dxdask.tables import Table

N_BINS = 16
FEWEST = 20
MOST_MODULES = 16
"""Modules that have a row and a curve of their own."""


def make(tables: StepTables) -> Section | None:
    """Return pairs of intensities, and their ratio against the one of the transmissions."""
    arrays = tables.arrays(
        "linearity", "pair_offsets", "pair_intensity", "pair_reference", "pair_panel"
    )
    if not {"pair_offsets", "pair_intensity", "pair_reference"} <= set(arrays):
        return None
    runs = tables.texts("linearity", "ratios", "run")
    n = np.diff(arrays["pair_offsets"])
    of_run = np.repeat(np.arange(len(runs)), n)
    own, full = arrays["pair_intensity"], arrays["pair_reference"]
    transmission = tables.column("linearity", "ratios", "transmission")
    most = float(np.nanmax(transmission)) if len(transmission) else 1.0
    good = (own > 0) & (full > 0)
    # of the reference with itself nothing is learnt
    itself = np.bincount(of_run, own != full, len(runs)) == 0
    ratio = np.full(len(own), np.nan)
    ratio[good] = own[good] / full[good] * (most / transmission[of_run[good]])
    ends = arrays["pair_offsets"]
    named = {
        str(run): a + np.flatnonzero(good[a:b])
        for run, a, b, same in zip(runs, ends[:-1], ends[1:], itself, strict=True)
        if not same
    }
    plots = _by_intensity("Linearity by intensity", full, ratio, named)
    modules = []
    if "pair_panel" in arrays:
        panel = arrays["pair_panel"]
        names = module_names(tables, "integrate")[:MOST_MODULES]
        if len(names) > 1:
            used = good & ~itself[of_run]
            parts = {name: np.flatnonzero(used & (panel == k)) for k, name in enumerate(names)}
            plots += _by_intensity("Linearity by intensity and module", full, ratio, parts)
        modules = [
            {"run": run, "module": name, **_summary(ratio[mine[panel[mine] == k]])}
            for run, mine in named.items()
            for k, name in enumerate(names)
        ]
    if good.any():
        plots.append(
            grid("Pairs of all runs", full[good], own[good],
                 ("intensity in the reference run", "in the other run"), log_x=True, log_y=True)
        )  # fmt: skip
    title = "Ratios of intensities over that of the transmissions, by run and module"
    headings = {"median": ("median", ".5f"), "median_su": ("su", ".5f")}
    return Section(
        plots=plots,
        tables=[
            *stored(tables, "linearity", "ratios"),
            Table(name="modules", title=title, rows=modules, headings=headings),
        ],
    )


def _by_intensity(
    title: str, full: Floats, ratio: Floats, parts: dict[str, NDArray[np.int64]]
) -> list[Plot]:
    """Return the median ratio in bins of equal numbers of pairs, a curve a part."""
    curves = []
    for name, mine in parts.items():
        if len(mine) < FEWEST:
            continue
        order = np.argsort(full[mine])
        x, y = full[mine][order], ratio[mine][order]
        ends = np.linspace(0, len(x), N_BINS + 1).astype(np.int64)
        median = [float(np.median(y[a:b])) if b > a else np.nan for a, b in pairwise(ends.tolist())]
        edges = x[np.minimum(ends, len(x) - 1)]
        curves.append(Series(name, np.sqrt(edges[:-1] * edges[1:]), np.array(median)))
    if not curves:
        return []
    x = np.array([min(s.x[0] for s in curves), max(s.x[-1] for s in curves)])
    return [
        Lines(title=title, x="intensity in the reference run",
              y="median ratio / ratio of transmissions", log_x=True,
              series=[*curves, Series("linear", x, np.ones(2), "dashed")])
    ]  # fmt: skip


def _summary(ratio: Floats) -> dict[str, int | float | None]:
    """Return number, median and its standard uncertainty (of a normal distribution)."""
    if not len(ratio):
        return {"n": 0, "median": None, "median_su": None}
    low, median, high = np.quantile(ratio, [0.1587, 0.5, 0.8413])
    su = float(np.sqrt(np.pi / 2 / len(ratio)) * (high - low) / 2)
    return {"n": len(ratio), "median": float(median), "median_su": su}


SECTION = SectionMaker(
    name="linearity", title="Linearity", order=9, make=make, needs=("linearity",), kinds=("sweeps",)
)
