"""Plots of residuals along the scan, and their histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dxdask.report.axes import legend
from dxdask.report.palette import colour_of
from dxdask.report.values.residuals import (
    AXES,
    UNITS,
    residual_histograms,
    residuals_by_image,
)
from dxdask.report.values.results import Source

if TYPE_CHECKING:
    pass


def plot_residuals_along_scan(
    source: Source,
    axes: NDArray[Any] | None = None,
    *,
    used: bool | None = None,
    step: str | None = None,
) -> NDArray[Any]:
    """Plot the mean residual in x, y (px) and z (images) of each image; return the axes (3,).

    source : a store, or reflections and experiments. axes : (3,) to draw in. used, step : see
    `dxdask.report.values.residuals`.
    """
    return _by_image(source, "mean", axes, used, step)


def plot_rmsd_by_image(
    source: Source,
    axes: NDArray[Any] | None = None,
    *,
    used: bool | None = None,
    step: str | None = None,
) -> NDArray[Any]:
    """Plot the RMSD in x, y (px) and z (images) of each image; return the axes (3,).

    source, axes, used, step : see `plot_residuals_along_scan`.
    """
    return _by_image(source, "rmsd", axes, used, step)


def _by_image(
    source: Source, kind: str, axes: NDArray[Any] | None, used: bool | None, step: str | None
) -> NDArray[Any]:
    table = residuals_by_image(source, used=used, step=step)
    if axes is None:
        axes = Figure(figsize=(8, 7), layout="constrained").subplots(3, 1, sharex=True)
    several = table["experiment"].nunique() > 1
    for ax, axis in zip(np.ravel(axes), AXES, strict=True):
        for i, (_, own) in enumerate(table.groupby("experiment", sort=True)):
            values = own[f"{kind}_{axis}_{UNITS[axis]}"]
            ax.plot(own["image"], values, color=colour_of(i), lw=1.0, label=str(own["run"].iloc[0]))
        if kind == "mean":
            ax.axhline(0.0, color="0.7", lw=0.8, zorder=0)
        else:
            ax.set(ylim=(0.0, None))
        name = f"RMSD {axis}" if kind == "rmsd" else f"mean d{axis}"
        ax.set(ylabel=f"{name} ({UNITS[axis]})")
    last = np.ravel(axes)[-1]
    last.set(xlabel="image")
    if several:
        legend(np.ravel(axes)[0])
    return axes


def plot_residual_histograms(
    source: Source,
    axes: NDArray[Any] | None = None,
    *,
    z_scores: bool = False,
    n_bins: int = 50,
    used: bool | None = None,
    step: str | None = None,
) -> NDArray[Any]:
    """Plot histograms of the residuals in x, y and z; return the axes.

    With z_scores, of residuals over their standard deviations, with the normal distribution that
    these have where models and variances are right.

    source, used, step : see `plot_residuals_along_scan`. n_bins : of each.
    """
    found = residual_histograms(source, z_scores=z_scores, n_bins=n_bins, used=used, step=step)
    if axes is None:
        size = 3.6 * len(found), 3.2
        axes = Figure(figsize=size, layout="constrained").subplots(1, len(found), squeeze=False)[0]
    for ax, (axis, h) in zip(np.ravel(axes), found.items(), strict=False):
        ax.stairs(h.counts, h.edges, fill=True, alpha=0.6, color=colour_of(0))
        unit = "z-score" if z_scores else UNITS[axis]
        title = f"mean {h.mean:.3g}, RMSD {h.rmsd:.3g}"
        ax.set(xlabel=f"d{axis} ({unit})", ylabel="reflections", title=title)
        if z_scores:
            at = np.linspace(h.edges[0], h.edges[-1], 200)
            width = h.edges[1] - h.edges[0]
            normal = np.exp(-0.5 * at**2) / np.sqrt(2.0 * np.pi)
            ax.plot(at, h.n * width * normal, "k--", lw=1.0, label="normal")
            legend(ax)
    return axes


def plot_z_scores(source: Source, axes: NDArray[Any] | None = None, **given: Any) -> NDArray[Any]:
    """Plot histograms of z-scores: `plot_residual_histograms` with z_scores."""
    return plot_residual_histograms(source, axes, z_scores=True, **given)
