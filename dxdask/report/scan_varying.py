"""Plots of crystals that vary along their scans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dxdask.models import ExperimentList
from dxdask.report.axes import legend
from dxdask.report.palette import colour_of
from dxdask.report.values.results import Source
from dxdask.report.values.scan_varying import ANGLES, CELL, scan_varying_crystals

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Against = Literal["image", "angle"]
_LABELS = {"image": "image", "angle": "angle (degree)"}


def plot_scan_varying_cell(
    source: Source | ExperimentList,
    axes: NDArray[Any] | None = None,
    *,
    against: Against = "image",
    step: str | None = None,
) -> NDArray[Any]:
    """Plot the six constants of the cell along the scan; return the axes (2, 3).

    A dashed line is the static cell, the band its standard uncertainty, where known.

    source : a store, or reflections and experiments, or experiments. axes : (2, 3) to draw in.
    against : image or angle. step : of a store, the one to read.
    """
    table = scan_varying_crystals(source, step=step)
    if axes is None:
        axes = Figure(figsize=(10, 5), layout="constrained").subplots(2, 3, sharex=True)
    for ax, name in zip(np.ravel(axes), CELL, strict=True):
        for i, (_, own) in enumerate(table.groupby("experiment", sort=True)):
            run, colour = own["run"].iloc[0], colour_of(i)
            ax.plot(own[against], own[name], color=colour, lw=1.2, label=str(run))
            static, su = own[f"{name}_static"].iloc[0], own[f"{name}_su"].iloc[0]
            ax.axhline(static, color=colour, ls="--", lw=0.8)
            if np.isfinite(su) and su > 0.0:
                ax.axhspan(static - su, static + su, color=colour, alpha=0.15, lw=0.0)
        unit = "Angstrom" if name in "abc" else "degree"
        ax.set(ylabel=f"{name} ({unit})")
        ax.ticklabel_format(axis="y", useOffset=False)
    for ax in axes[1]:
        ax.set(xlabel=_LABELS[against])
    if table["experiment"].nunique() > 1:
        legend(axes[0, 0])
    return axes


def plot_scan_varying_orientation(
    source: Source | ExperimentList,
    ax: Axes | None = None,
    *,
    against: Against = "image",
    step: str | None = None,
) -> Axes:
    """Plot the rotation from the static orientation along the scan, about x, y and z.

    source, against, step : see `plot_scan_varying_cell`.
    """
    table = scan_varying_crystals(source, step=step)
    ax = ax or Figure(figsize=(7, 4), layout="constrained").subplots()
    several = table["experiment"].nunique() > 1
    for i, (_, own) in enumerate(table.groupby("experiment", sort=True)):
        for name, style in zip(ANGLES, ("-", "--", ":"), strict=True):
            axis = "xyz"[ANGLES.index(name)]
            label = f"{name} (about {axis})" + (f", {own['run'].iloc[0]}" if several else "")
            colour = colour_of(i) if several else colour_of(ANGLES.index(name))
            line = style if several else "-"
            ax.plot(own[against], own[name], line, color=colour, lw=1.2, label=label)
    ax.axhline(0.0, color="0.7", lw=0.8, zorder=0)
    ax.set(xlabel=_LABELS[against], ylabel="rotation from the static crystal (degree)")
    legend(ax)
    return ax
