"""Axes and legends of plots: made where none are given, in the colours of the palette."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cycler import cycler
from matplotlib.figure import Figure

from dxdask.report.palette import curve_styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_INSIDE = 8
_IN_A_COLUMN = 20


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
    """Show the names of the curves; of many beside the axes, in columns, where none is cut off."""
    n = len(ax.get_legend_handles_labels()[1])
    if n > _MOST_INSIDE:
        ax.legend(
            frameon=False, fontsize="x-small", loc="upper left", bbox_to_anchor=(1.01, 1.0),
            borderaxespad=0.0, ncols=-(-n // _IN_A_COLUMN), markerscale=marker_size,
        )  # fmt: skip
    elif n:
        ax.legend(frameon=False, fontsize="small", loc=loc, markerscale=marker_size)
