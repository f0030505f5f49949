"""Plots of residuals over the detector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.report.palette import DIVERGING, SEQUENTIAL
from dxdask.report.panel_moves import magnification
from dxdask.report.values.detector_maps import (
    DetectorMap,
    mean_vectors,
    residuals_over_detector,
)
from dxdask.report.values.residuals import AXES, UNITS
from dxdask.report.values.results import Source

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CORNERS = ((0, 2), (1, 2), (1, 3), (0, 3))


def plot_residuals_over_detector(
    source: Source,
    axes: NDArray[Any] | None = None,
    *,
    bin_size: int | None = None,
    limit: float | None = None,
    used: bool | None = None,
    step: str | None = None,
) -> NDArray[Any]:
    """Plot mean residuals x, y and z in bins over the stored frame; return the axes (3,).

    Red is observed beyond predicted. A displaced module differs in colour from the others.

    Parameters
    ----------
    source : a store, or reflections and experiments. axes : (3,) to draw in.
    bin_size : px; None: some 24 bins along the longer side. limit : of the colours, px and images;
        None: by the 98th percentile of each map.
    used, step : see `dxdask.report.values.residuals`.
    """
    found = residuals_over_detector(source, bin_size=bin_size, used=used, step=step)
    if axes is None:
        height, width = found.panels[:, 3].max(), found.panels[:, 1].max()
        size = 13, min(13 / 3 * height / width + 0.6, 14)
        axes = Figure(figsize=size, layout="constrained").subplots(1, 3)
    for ax, axis in zip(np.ravel(axes), AXES, strict=True):
        _draw_map(ax, found, found.mean[axis], limit)
        ax.set(title=f"d{axis} ({UNITS[axis]})")
    return axes


def plot_residual_map(
    source: Source,
    ax: Axes | None = None,
    *,
    axis: Literal["x", "y", "z"] = "y",
    bin_size: int | None = None,
    used: bool | None = None,
    step: str | None = None,
) -> Axes:
    """Plot mean residuals along one axis in bins over the stored frame; return the axes.

    source, bin_size, used, step : see `plot_residuals_over_detector`. axis : x, y (px) or z
    (images).
    """
    found = residuals_over_detector(source, bin_size=bin_size, used=used, step=step)
    ax = ax or Figure(figsize=(6.0, 5.0), layout="constrained").subplots()
    _draw_map(ax, found, found.mean[axis], None, label=f"mean residual {axis} ({UNITS[axis]})")
    return ax


def _draw_map(
    ax: Axes, found: DetectorMap, values: Floats, limit: float | None, label: str = ""
) -> None:
    shown = np.isfinite(values)
    bins = PolyCollection(list(_outlines(found.box[shown])), cmap=DIVERGING, linewidths=0.0)
    spread = float(np.percentile(np.abs(values[shown]), 98)) if shown.any() else 1.0
    reach = limit or max(spread, 1e-6)
    bins.set(array=values[shown], clim=(-reach, reach))
    ax.add_collection(bins)
    _draw_panels(ax, found)
    figure = ax.get_figure(root=True)
    if figure is not None:
        figure.colorbar(bins, ax=ax, shrink=0.8, extend="both", label=label)


def _outlines(box: Floats) -> Floats:
    """Return the corners (n, 4, 2) of boxes (n, 4)."""
    return np.stack([box[:, corner] for corner in _CORNERS], axis=1)


def _draw_panels(ax: Axes, found: DetectorMap) -> None:
    """Draw the outlines of panels, with y down as on a frame."""
    outlines = _outlines(found.panels)
    closed = np.concatenate([outlines, outlines[:, :1]], axis=1)
    ax.add_collection(LineCollection(list(closed), colors="0.4", linewidths=0.5))
    (x0, y0), (x1, y1) = found.panels[:, [0, 2]].min(axis=0), found.panels[:, [1, 3]].max(axis=0)
    ax.set(aspect="equal", xlabel="fast (px)", ylabel="slow (px)", xlim=(x0, x1), ylim=(y1, y0))


def plot_residual_vectors(
    source: Source,
    ax: Axes | None = None,
    *,
    bin_size: int | None = None,
    used: bool | None = None,
    step: str | None = None,
) -> Axes:
    """Plot mean residuals in x and y as arrows in bins over the stored frame, magnified.

    The title says by how much; the colour is the length. source, bin_size, used, step : see
    `plot_residuals_over_detector`.
    """
    found = residuals_over_detector(source, bin_size=bin_size, used=used, step=step)
    centre, vector, known = mean_vectors(found)
    ax = ax or Figure(figsize=(7, 7), layout="constrained").subplots()
    length = np.linalg.norm(vector[known], axis=1)
    side = float(np.median(found.box[:, 1] - found.box[:, 0]))
    times = magnification(float(np.percentile(length, 98)) if len(length) else 0.0, 1.2 * side)
    arrows = ax.quiver(
        *centre[known].T, *(times * vector[known]).T, length, angles="xy", scale_units="xy",
        scale=1, width=0.003, cmap=SEQUENTIAL,
    )  # fmt: skip
    _draw_panels(ax, found)
    ax.set(title=f"residuals, {times:g} times as large")
    figure = ax.get_figure(root=True)
    if figure is not None:
        figure.colorbar(arrows, ax=ax, shrink=0.8, label="mean residual (px)")
    return ax
