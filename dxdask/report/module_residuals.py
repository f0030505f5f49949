"""Plots of residuals over a detector, by region and panel, and of the moves of its modules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from dxdask.arrays import Floats
from dxdask.columns import select
from dxdask.refinement.modules.residuals import (
    NEEDED,
    comparable,
    differences,
    places_of,
    regions_of,
    residuals_of_parts,
)
from dxdask.report.palette import colour_of
from dxdask.report.panel_moves import magnification

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.quiver import Quiver

    from dxdask.columns import Reflections
    from dxdask.models import Detector
    from dxdask.storage.store.store import Store

FEWEST = 10
"""Reflections of a region that has an arrow."""
MOST_LABELS = 40
LONGEST = 0.8
"""Length of the longest arrow in the plot, in distances between arrows."""


def plot_module_residuals(
    store: Store, ax: Axes | None = None, *, step: str | None = None, n_regions: int = 5
) -> Axes:
    """Plot the residuals of the indexed reflections of a step over the detector of a store.

    step : with predictions; refine, or else index, where they are there. n_regions : arrows along a
    side of each panel.
    """
    name = step or next(s for s in ("refine", "index") if store.has_step(s) or s == "index")
    table = store.columns(name, list(NEEDED))
    return plot_residuals(table, store.experiments(name)[0].detector, ax, n_regions=n_regions)


def plot_residuals(
    reflections: Reflections, detector: Detector, ax: Axes | None = None, *, n_regions: int = 5
) -> Axes:
    """Plot residuals, observed less predicted, over the panels of a detector as it is read out.

    The thin arrows are robust means over regions, the thick ones those of panels, all magnified
    alike; colours are the means of panels in length. So a displaced panel stands out, and so does
    one that hides in a panel with others: its arrows differ from theirs.

    reflections : columns experiment, panel, flags, x, y, x_cal, y_cal, of runs on this detector.
    """
    ax = ax or Figure(figsize=(7, 7), layout="constrained").subplots()
    table = select({n: reflections[n] for n in NEEDED}, comparable(reflections))
    corner = np.array([p.offset for p in detector.panels], np.float64)
    size = np.array([p.image_size for p in detector.panels], np.float64)
    off, panel = differences(table), table["panel"].astype(np.int64)
    whole = residuals_of_parts(off, places_of(table, detector), panel, len(detector))
    region, place = regions_of(table, detector, n_regions)
    parts = residuals_of_parts(off, place, region, len(detector) * n_regions**2)
    shown = parts.n >= FEWEST
    at = _middles(corner, size, n_regions)
    arrows = np.where(np.isfinite(parts.robust), parts.robust, 0.0)
    longest = float(np.linalg.norm(arrows[shown], axis=1).max()) if shown.any() else 0.0
    times = magnification(longest, LONGEST * float((size / n_regions).min()))
    means = np.where(np.isfinite(whole.robust), whole.robust, 0.0)
    shades = PolyCollection(
        list(_outlines(corner, size)), cmap="viridis_r", edgecolors="0.3", linewidths=0.8
    )
    length = np.linalg.norm(means, axis=1)
    shades.set(array=length, clim=(0.0, max(float(length.max()), 1e-3)), alpha=0.35)
    ax.add_collection(shades)
    _arrows(ax, at[shown], times * arrows[shown], width=0.002, color="0.2")
    measured = whole.n >= FEWEST
    middle = corner + size / 2
    thick = _arrows(ax, middle[measured], times * means[measured], width=0.007, color=colour_of(1))
    unit = float(np.format_float_positional(max(longest, 1e-3), precision=1, fractional=False))
    ax.quiverkey(
        thick, 0.1, 1.03, times * unit, f"{unit:g} px; {times:g} times as large", labelpos="E",
        coordinates="axes",
    )  # fmt: skip
    # as on the screen: the first row is above
    ax.set(aspect="equal", xlabel="x of the frame (px)", ylabel="y of the frame (px)")
    ax.autoscale_view()
    ax.invert_yaxis()
    figure = ax.get_figure(root=True)
    if figure is not None:
        figure.colorbar(shades, ax=ax, label="mean residual of the panel (px)", shrink=0.8)
    return ax


def plot_module_moves(rows: Iterable[Mapping[str, Any]], ax: Axes | None = None) -> Axes:
    """Plot the moves of the modules of a detector, each against the others.

    rows : of the table `modules` of refine (`store.table("refine", "modules").to_dict("records")`),
        the first detector's. Modules that moved significantly are red; those not compared are
        white. Numbers are px along fast and slow with their standard uncertainties.
    """
    ax = ax or Figure(figsize=(7, 7), layout="constrained").subplots()
    every = list(rows)
    own = [r for r in every if r["detector"] == every[0]["detector"]]
    box = np.array([[r[n] for n in ("x0", "y0", "x1", "y1")] for r in own], np.float64)
    corner, size = box[:, :2], box[:, 2:] - box[:, :2]
    moves = np.array([[_value(r, f"shift_{a}_px") for a in ("fast", "slow")] for r in own])
    known = np.isfinite(moves).all(axis=1)
    moves = np.where(known[:, None], moves, 0.0)
    longest = float(np.linalg.norm(moves, axis=1).max())
    times = magnification(longest, 0.3 * float(size.min()))
    colors = [colour_of(1) if r["moved"] is True else "0.7" if k else "w"
              for r, k in zip(own, known, strict=True)]  # fmt: skip
    ax.add_collection(
        PolyCollection(
            list(_outlines(corner, size)), facecolors=colors, alpha=0.3, edgecolors="0.3"
        )
    )
    middle = corner + size / 2
    _arrows(ax, middle[known], times * moves[known], width=0.006, color="k")
    if len(own) <= MOST_LABELS:
        for row, at in zip(own, middle, strict=True):
            ax.annotate(
                _label(row), at, (0, -14), textcoords="offset points", ha="center", fontsize=8
            )
    ax.set(
        aspect="equal", xlabel="x of the frame (px)", ylabel="y of the frame (px)",
        title=f"moves of modules, {times:g} times as large",
    )  # fmt: skip
    ax.autoscale_view()
    ax.invert_yaxis()
    return ax


def _value(row: Mapping[str, Any], name: str) -> float:
    return np.nan if row[name] is None else float(row[name])


def _label(row: Mapping[str, Any]) -> str:
    parts = [
        f"{_value(row, f'shift_{a}_px'):+.2f}({100 * _value(row, f'shift_{a}_su'):.0f})"
        for a in ("fast", "slow")
        if np.isfinite(_value(row, f"shift_{a}_px"))
    ]
    return "\n".join([str(row["name"]), ", ".join(parts)]) if parts else str(row["name"])


def _arrows(ax: Axes, at: Floats, steps: Floats, *, width: float, color: str) -> Quiver:
    x, y = at.T if len(at) else np.zeros((2, 0))
    u, v = steps.T if len(steps) else np.zeros((2, 0))
    return ax.quiver(
        x, y, u, v, angles="xy", scale_units="xy", scale=1, width=width, color=color, zorder=3
    )


def _middles(corner: Floats, size: Floats, n: int) -> Floats:
    """Return the middles (panels n n, 2) of regions in the frame, in the order of `regions_of`."""
    y, x = np.divmod(np.arange(n * n), n)
    part = (np.stack([x, y], axis=1) + 0.5) / n
    out: Floats = (corner[:, None] + part * size[:, None]).reshape(-1, 2)
    return out


def _outlines(corner: Floats, size: Floats) -> Floats:
    around = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
    return np.asarray(corner[:, None] + around * size[:, None])
