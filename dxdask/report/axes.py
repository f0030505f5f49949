"""Axes and legends of plots: made where none are given, in the colours of the palette."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cycler import cycler
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dxdask.report.palette import curve_styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_INSIDE = 8
_MOST_NAMES = 20


def axes_or_new(ax: Axes | None, size: tuple[float, float] = (6.0, 4.0)) -> Axes:
    """Return the axes given, or new ones of a figure of a size in inches; curves in our colours."""
    ax = ax or Figure(figsize=size, layout="constrained").subplots()
    styles = curve_styles(24)
    ax.set_prop_cycle(
        cycler(color=[colour for colour, _ in styles]) + cycler(ls=[line for _, line in styles])
    )
    return ax


def legend(
    ax: Axes,
    *,
    loc: Literal["best", "upper left", "upper right"] = "best",
    marker_size: float = 1.0,
) -> None:
    """Show the names of the curves; of many beside the axes, where none is cut off.

    Of more than twenty the first are named, and the others counted.
    """
    handles, names = ax.get_legend_handles_labels()
    if len(names) > _MOST_INSIDE:
        more = len(names) - _MOST_NAMES
        if more > 0:
            handles = [*handles[:_MOST_NAMES], Line2D([], [], linestyle="none")]
            names = [*names[:_MOST_NAMES], f"and {more} more"]
        ax.legend(
            handles, names, frameon=False, fontsize="x-small", loc="upper left",
            bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, markerscale=marker_size,
        )  # fmt: skip
    elif names:
        ax.legend(frameon=False, fontsize="small", loc=loc, markerscale=marker_size)
