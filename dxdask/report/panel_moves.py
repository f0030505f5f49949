"""Plot of the moves of the panels of a detector, seen along the beam."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from dxdask.arrays import Floats
from dxdask.report.palette import DIVERGING
from dxdask.storage.exporters.whole_file import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dxdask.models import Detector, Panel
    from dxdask.storage.store.store import Store

MOST_NAMES = 80
LONGEST = 0.3
"""Length of the longest move in the plot, in sides of a panel."""


def plot_metrology(store: Store, ax: Axes | None = None) -> Axes:
    """Plot the moves of the panels of a store's detector by `refine_metrology`."""
    from dxdask.pipeline.metrology.shifts import refined_in

    moved = refined_in(store)
    return plot_panel_moves(moved.before, moved.after, ax, beam=moved.beam)


def plot_panel_moves(
    before: Detector, after: Detector, ax: Axes | None = None, *, beam: ArrayLike = (0, 0, -1)
) -> Axes:
    """Plot the panels before, with outlines and arrows of their moves, magnified.

    before, after : the same panels in the same order. beam : (3,) unit vector along the beam; x is
    to the right and y up (imgCIF). The colour is the move along the beam.
    """
    ax = ax or Figure(figsize=(8, 7), layout="constrained").subplots()
    across, along = _view(np.asarray(beam, dtype=np.float64))
    corners = np.array([_corners(p) for p in before.panels])
    moves = np.array([_corners(p) for p in after.panels]) - corners
    flat, moved = corners @ across.T, moves @ across.T
    centres, arrows = flat.mean(axis=1), moved.mean(axis=1)
    side = float(np.median(np.linalg.norm(flat[:, 1] - flat[:, 0], axis=1)))
    magnified = magnification(float(np.linalg.norm(moved, axis=2).max()), LONGEST * side)
    shades = PolyCollection(list(flat), cmap=DIVERGING, edgecolors="0.4", linewidths=0.6)
    z = 1e3 * (moves @ along).mean(axis=1)
    reach = max(float(np.abs(z - z.mean()).max()), 1.0)
    shades.set(array=z - z.mean(), clim=(-reach, reach), alpha=0.45)
    ax.add_collection(shades)
    outlines = PolyCollection(
        list(flat + magnified * moved), facecolors="none", edgecolors="k", linewidths=1.0
    )
    ax.add_collection(outlines)
    tips = magnified * arrows
    quiver = ax.quiver(
        *centres.T, *tips.T, angles="xy", scale_units="xy", scale=1, width=0.004, zorder=3
    )
    length = _round(0.4 * side / magnified)
    label = f"{1e3 * length:g} um; moves {magnified:g} times as large"
    ax.quiverkey(quiver, 0.1, 1.03, magnified * length, label, labelpos="E", coordinates="axes")
    if len(centres) <= MOST_NAMES:
        small = len(centres) > 16
        for name, at in zip(_names(before), centres, strict=True):
            ax.annotate(
                name, at, (0, 3), textcoords="offset points", ha="center",
                fontsize=5.0 if small else 8.0,
            )  # fmt: skip
    ax.plot(0, 0, "+", color="k", markersize=10)
    ax.set(aspect="equal", xlabel="x (mm)", ylabel="y (mm)")
    ax.autoscale_view()
    figure = ax.get_figure(root=True)
    if figure is not None:
        label = f"move along the beam, less the mean of {z.mean():+.0f} um (um)"
        figure.colorbar(shades, ax=ax, label=label, shrink=0.8)
    return ax


def write_picture(path: str | Path, ax: Axes) -> None:
    """Write the figure of an axes to a file, in the format of its suffix.

    Raises
    ------
    StoreWriteError
        The file cannot be written.
    """
    figure = ax.get_figure(root=True)
    if figure is None:
        return
    with whole_file(path) as aside:
        # without a date, equal pictures are equal files
        figure.savefig(aside, metadata={"Date": None} if Path(path).suffix == ".svg" else None)


def _names(detector: Detector) -> list[str]:
    """Return the names of the panels, without a common prefix that ends in "_"."""
    names = [p.name.rsplit("/", 1)[-1] for p in detector.panels]
    first = names[0].partition("_")[0] + "_"
    return (
        [n.removeprefix(first) for n in names] if all(n.startswith(first) for n in names) else names
    )


def magnification(largest: float, wanted: float) -> float:
    """Return the magnification of `largest` to about `wanted`, 1, 2 or 5 times a power of ten.

    It is 1 where nothing moved.
    """
    return _round(wanted / largest) if largest > 1e-9 else 1.0


def _round(value: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that does not exceed a value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(power * max(step for step in (1, 2, 5) if step * power <= value * (1 + 1e-9)))


def _corners(panel: Panel) -> Floats:
    """Return the corners (4, 3) of a panel, mm, in order around it."""
    width, height = np.asarray(panel.image_size) * panel.pixel_size
    return panel.lab_coordinates([(0, 0), (width, 0), (width, height), (0, height)])


def _view(beam: Floats) -> tuple[Floats, Floats]:
    """Return the axes (2, 3) across the beam that point right and up in the plot, and the beam."""
    right = np.cross(beam, (0.0, 1.0, 0.0))
    right /= np.linalg.norm(right)
    return np.array([right, np.cross(right, beam)]), beam
