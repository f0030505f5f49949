"""Plots of spots: the reciprocal lattice, and indexed and unindexed ones over scan and detector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dxdask.errors import InputError
from dxdask.report.axes import legend
from dxdask.report.palette import colour_of
from dxdask.report.values.lattice_points import LatticePoints, projected, reciprocal_lattice
from dxdask.report.values.results import Source
from dxdask.report.values.spot_counts import spots_by_image, spots_over_detector

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Colouring = Literal["indexed", "lattice", "run"]
UNINDEXED = "0.6"


def plot_reciprocal_lattice(
    source: Source,
    ax: Axes | None = None,
    *,
    view: str = "3d",
    colour_by: Colouring = "indexed",
    d_min: float | None = None,
    max_points: int = 20_000,
    step: str | None = None,
) -> Axes:
    """Plot the points of the reciprocal lattice where spots were observed.

    Parameters
    ----------
    source : a store, or reflections and experiments.
    ax : to draw in; of the projection "3d" for that view.
    view : 3d, or the direction to look along: a*, b*, c* of the first crystal, or x, y, z.
    colour_by : indexed (or not), lattice (experiment), or run.
    d_min : Angstrom, the highest resolution. max_points : at most so many, evenly from all.
    step : of a store, the one to read; by default refine, else index, else find_spots.
    """
    points = reciprocal_lattice(source, d_min=d_min, max_points=max_points, step=step)
    xy, names = (points.rlp, ("x", "y")) if view == "3d" else projected(points, view)
    if ax is None:
        kind = {"projection": "3d"} if view == "3d" else {}
        ax = Figure(figsize=(7, 7), layout="constrained").subplots(subplot_kw=kind)
    if view == "3d" and ax.name != "3d":
        raise InputError("view=3d needs axes of the projection 3d; leave ax out, or give view=a*")
    for label, colour, rows in _groups(points, colour_by):
        style: dict[str, Any] = {"s": 4.0, "linewidths": 0.0, "label": f"{label}: {rows.sum()}"}
        ax.scatter(*xy[rows].T, color=colour, **style)
    ax.set(xlabel=f"{names[0]} (1/Angstrom)", ylabel=f"{names[1]} (1/Angstrom)")
    if view == "3d":
        ax.set(zlabel="z (1/Angstrom)", box_aspect=(1, 1, 1))
    else:
        ax.set(aspect="equal", title=f"along {view}")
    legend(ax, marker_size=3)
    return ax


def _groups(points: LatticePoints, by: Colouring) -> list[tuple[str, str, NDArray[np.bool_]]]:
    """Return name, colour and rows (n,) of groups of points that are not empty."""
    if by == "run":
        runs = dict.fromkeys(points.run.tolist())
        return [(r, colour_of(i), points.run == r) for i, r in enumerate(runs)]
    if by == "indexed":
        groups = [("indexed", colour_of(0), points.indexed)]
    else:
        found = np.unique(points.lattice[points.indexed]).tolist()
        groups = [(f"lattice {k + 1}", f"C{k % 10}", points.lattice == k) for k in found]
    groups.insert(0, ("not indexed", UNINDEXED, ~points.indexed))
    return [g for g in groups if g[2].any()]


def plot_spots_by_image(source: Source, ax: Axes | None = None, *, step: str | None = None) -> Axes:
    """Plot the numbers of indexed and of all spots of each image.

    source : a store, or reflections and experiments. step : of a store, the one to read; by default
    index, else refine, else find_spots.
    """
    table = spots_by_image(source, step=step)
    ax = ax or Figure(figsize=(8, 4), layout="constrained").subplots()
    runs = list(dict.fromkeys(table["run"]))
    for i, run in enumerate(runs):
        own = table[table["run"] == run]
        name = f"{run}: " if len(runs) > 1 else ""
        every = own["n_indexed"] + own["n_unindexed"]
        ax.plot(own["image"], every, ":", color=colour_of(i), lw=1.0, label=f"{name}all")
        ax.plot(own["image"], own["n_indexed"], color=colour_of(i), lw=1.2, label=f"{name}indexed")
    ax.set(xlabel="image", ylabel="spots", ylim=(0, None))
    legend(ax)
    return ax


def plot_spots_over_detector(
    source: Source, ax: Axes | None = None, *, step: str | None = None
) -> Axes:
    """Plot where indexed and unindexed spots are on the stored frame, of all images.

    source, step : see `plot_spots_by_image`.
    """
    table = spots_over_detector(source, step=step)
    ax = ax or Figure(figsize=(7, 7), layout="constrained").subplots()
    style: dict[str, Any] = {"s": 3.0, "linewidths": 0.0, "rasterized": True}
    for name, rows, colour in (
        ("indexed", table["indexed"], colour_of(0)),
        ("not indexed", ~table["indexed"], colour_of(1)),
    ):
        own = table[rows]
        label = f"{name}: {len(own)}"
        ax.scatter(own["frame_x"], own["frame_y"], color=colour, label=label, **style)
    ax.set(aspect="equal", xlabel="fast (px)", ylabel="slow (px)")
    ax.invert_yaxis()
    legend(ax, marker_size=3)
    return ax
