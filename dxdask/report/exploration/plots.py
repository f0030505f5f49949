"""Plots of a selection of an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from dxdask.report.axes import axes_or_new, legend
from dxdask.report.palette import curve_styles

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def four_axes() -> list[Axes]:
    """Return the axes of a new figure for pixels, intensities, pairs and ratios."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    return list(figure.subplots(2, 2).ravel())


def plot_pixels(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    maximum: int = 60,
    runs: Sequence[str] | None = None,
) -> Axes:
    """Plot the numbers of pixels by value, up to a maximum; table : of `Exploration.pixels`."""
    ax = axes_or_new(ax)
    shown = table[table["value"] <= maximum]
    for run, style in _styles(table, runs):
        own = shown[shown["run"] == run].groupby("value")["n"].sum()
        value = np.arange(1, maximum + 1)
        n = own.reindex(value).to_numpy(dtype=np.float64)  # NaN: a notch is a gap
        ax.step(value, n, where="mid", lw=1.2, label=run, **style)
    ax.set(yscale="log", xlabel="pixel value (counts)", ylabel="pixels of indexed spots")
    legend(ax)
    return ax


def plot_intensities(
    table: pd.DataFrame, ax: Axes | None = None, *, runs: Sequence[str] | None = None
) -> Axes:
    """Plot the numbers of intensities; table : of `Exploration.intensities`."""
    ax = axes_or_new(ax)
    for run, style in _styles(table, runs):
        own = table[table["run"] == run].groupby(["low", "high"])["n"].sum().reset_index()
        middle = np.sqrt(own["low"] * own["high"])
        ax.step(middle, own["n"], where="mid", lw=1.2, label=run, **style)
    ax.set(xscale="log", xlabel="intensity (photons)", ylabel="reflections")
    legend(ax)
    return ax


def plot_matched(
    table: pd.DataFrame, ax: Axes | None = None, *, runs: Sequence[str] | None = None
) -> Axes:
    """Plot intensities against those of the reference run; table : of `Exploration.pairs`."""
    ax = axes_or_new(ax)
    good = table[(table["intensity"] > 0) & (table["reference"] > 0)]
    for run, style in _styles(table, runs):
        own = good[good["run"] == run]
        ax.plot(
            own["reference"], own["intensity"], ".", ms=1, color=style["color"], rasterized=True
        )
        ax.plot([], [], "o", ms=4, color=style["color"], label=run)
    ax.set(
        xscale="log", yscale="log", xlabel="intensity in the reference run (photons)",
        ylabel="intensity (photons)",
    )  # fmt: skip
    legend(ax)
    return ax


def plot_ratios(
    table: pd.DataFrame, ax: Axes | None = None, *, runs: Sequence[str] | None = None
) -> Axes:
    """Plot ratios over those of the transmissions; table : of `Exploration.ratios` in bins."""
    ax = axes_or_new(ax)
    for run, style in _styles(table, runs):
        own = table[table["run"] == run]
        ax.plot(own["reference"], own["relative"], marker="o", ms=3, lw=1.2, label=run, **style)
    ax.axhline(1.0, color="0.6", lw=0.8)
    ax.set(
        xscale="log", xlabel="intensity in the reference run (photons)",
        ylabel="ratio / ratio of transmissions",
    )  # fmt: skip
    legend(ax)
    return ax


def _styles(table: pd.DataFrame, runs: Sequence[str] | None) -> list[tuple[str, dict[str, Any]]]:
    """Return the runs of a table, each with its colour and line; runs : that have one of theirs."""
    names = list(table["run"].unique()) if runs is None else list(runs)
    return [
        (name, {"color": colour, "ls": line})
        for name, (colour, line) in zip(names, curve_styles(len(names)), strict=True)
        if (table["run"] == name).any()
    ]
