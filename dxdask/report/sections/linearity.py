"""Intensities of the same reflections at several transmissions."""

from __future__ import annotations

import numpy as np

from dxdask.report.page.curves import stored
from dxdask.report.page.plots import Lines, Plot, Series, grid
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables

N_BINS = 16
FEWEST = 20


def make(tables: StepTables) -> Section | None:
    """Return pairs of intensities, and their ratio against the one of the transmissions."""
    arrays = tables.store.arrays("linearity")
    needed = {"pair_offsets", "pair_intensity", "pair_reference"}
    if not needed <= set(arrays):
        return None
    offsets, own, full = (arrays[n] for n in ("pair_offsets", "pair_intensity", "pair_reference"))
    runs = tables.texts("linearity", "ratios", "run")
    transmission = tables.column("linearity", "ratios", "transmission")
    most = float(np.nanmax(transmission)) if len(transmission) else 1.0
    curves = []
    for i, run in enumerate(runs):
        rows = slice(int(offsets[i]), int(offsets[i + 1]))
        a, b = own[rows], full[rows]
        if np.array_equal(a, b):
            continue
        good = (a > 0) & (b > 0)
        if good.sum() < FEWEST:
            continue
        edges = np.quantile(b[good], np.linspace(0, 1, N_BINS + 1))
        place = np.clip(np.searchsorted(edges, b[good], side="right") - 1, 0, N_BINS - 1)
        ratio = np.array(
            [
                np.median((a / b)[good][place == k]) if (place == k).any() else np.nan
                for k in range(N_BINS)
            ]
        )
        middle = np.sqrt(np.maximum(edges[:-1] * edges[1:], 1e-12))
        curves.append(Series(str(run), middle, ratio * most / transmission[i]))
    plots: list[Plot] = []
    if curves:
        x = np.array([min(s.x[0] for s in curves), max(s.x[-1] for s in curves)])
        plots.append(
            Lines(title="Linearity by intensity", x="intensity in the reference run",
                  y="median ratio / ratio of transmissions", log_x=True,
                  series=[*curves, Series("linear", x, np.ones(2), "dashed")])
        )  # fmt: skip
    good = (own > 0) & (full > 0)
    if good.any():
        plots.append(
            grid("Pairs of all runs", full[good], own[good],
                 ("intensity in the reference run", "in the other run"), log_x=True, log_y=True)
        )  # fmt: skip
    return Section(plots=plots, tables=stored(tables, "linearity", "ratios", "panels", "modules"))


SECTION = SectionMaker(
    name="linearity", title="Linearity", order=9, make=make, needs=("linearity",), kinds=("sweeps",)
)
