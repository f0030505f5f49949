"""Plots of an ensemble: pixel histograms, paired intensities, RMSDs, merging statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from dxdask.report.axes import axes_or_new, legend
from dxdask.report.palette import colour_of
from dxdask.report.residual_maps import plot_residual_map

MAP_BIN = 32
"""Pixels along the side of a bin of the residual map."""

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from dxdask.storage.store.store import Store


def plot_histograms(store: Store, ax: Axes | None = None, *, maximum: int = 50) -> Axes:
    """Plot the histogram of pixel values in each run's indexed spots, on a log scale.

    maximum: largest value shown, counts. A notch in all runs is a fault of the detector.
    """
    ax = axes_or_new(ax)
    arrays = store.arrays("histogram")
    shown = arrays["bin_centres"] <= maximum
    for run, counts in zip(
        store.table("histogram", "runs")["run"], arrays["histogram"], strict=True
    ):
        ax.step(arrays["bin_centres"][shown], counts[shown], where="mid", label=str(run), lw=1.2)
    ax.set(yscale="log", xlabel="pixel value (counts)", ylabel="pixels of indexed spots")
    legend(ax)
    return ax


def plot_pairs(store: Store, ax: Axes | None = None) -> Axes:
    """Plot intensities of reflections against those in the run of full transmission."""
    ax = axes_or_new(ax)
    arrays = store.arrays("linearity")
    offsets = arrays["pair_offsets"]
    own, full = arrays["pair_intensity"], arrays["pair_reference"]
    ratios = store.table("linearity", "ratios")
    for i, (run, ratio) in enumerate(zip(ratios["run"], ratios["median"], strict=True)):
        rows = slice(offsets[i], offsets[i + 1])
        label = f"{run}: median ratio {ratio:.4f}"
        ax.plot(full[rows], own[rows], ",", color=colour_of(i), rasterized=True)
        ax.plot([], [], "o", ms=4, color=colour_of(i), label=label)
    ax.set(xscale="log", yscale="log", xlabel="intensity in the reference run (photons)",
           ylabel="intensity (photons)")  # fmt: skip
    legend(ax)
    return ax


def plot_rmsds(source: Store | pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Plot the RMSDs of each experiment after refinement, in pixels and images.

    source : a store, or its table `rmsds` of refine.
    """
    ax = axes_or_new(ax)
    table = _table(source, "refine", "rmsds")
    at = np.arange(len(table))
    names = {"rmsd_x_px": "X (px)", "rmsd_y_px": "Y (px)", "rmsd_z_images": "Z (images)"}
    for (column, label), marker in zip(names.items(), "os^", strict=True):
        ax.plot(at, table[column], marker, label=label)
    ax.set_xticks(at, [str(r) for r in table["run"]], rotation=20, fontsize="small")
    ax.set(xlabel="run", ylabel="RMSD (px, images)", ylim=(0, None))
    legend(ax)
    return ax


def plot_merging(source: Store | pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Plot CC1/2, completeness and I/sigma by shell of resolution.

    source : a store, or its table `shells` of merge.
    """
    ax = axes_or_new(ax)
    table = _table(source, "merge", "shells")
    if "wavelength" in table:  # of several, the first
        table = table[table["wavelength"] == table["wavelength"].iloc[0]]
    s2 = 1.0 / table["d_min"] ** 2
    ax.plot(s2, table["cc_half"], "o-", label="CC1/2")
    ax.plot(s2, table["completeness"], "s-", label="completeness")
    ax.set(ylim=(0, 1.05), xlabel="resolution (Å)", ylabel="CC1/2, completeness")
    ax.set_xticks(s2[::2], [f"{d:.2f}" for d in table["d_min"][::2]])
    right = ax.twinx()
    right.plot(s2, table["i_over_sigma"], "^--", color=colour_of(2), label="I/sigma")
    right.set(yscale="log", ylabel="<I/sigma>")
    lines = [*ax.get_lines(), *right.get_lines()]
    ax.legend(lines, [str(line.get_label()) for line in lines], frameon=False, fontsize="small")
    return ax


def plot_ensemble(store: Store) -> Figure:
    """Return one figure with the four plots; empty where a step is not in the store."""
    parts: dict[str, tuple[Callable[[Store, Axes], Axes], str]] = {
        "histogram": (plot_histograms, "pixel values"),
        "linearity": (plot_pairs, "linearity"),
        "index": (_residual_map, "residuals of the header's geometry"),
        "merge": (plot_merging, "merged"),
    }
    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.subplots(2, 2)
    for ax, (step, (plot, title)) in zip(axes.ravel(), parts.items(), strict=True):
        if not store.has_step(step):
            ax.set_axis_off()
            continue
        plot(store, ax)
        ax.set_title(title)
    return figure


def _residual_map(store: Store, ax: Axes) -> Axes:
    return plot_residual_map(store, ax, step="index", bin_size=MAP_BIN)


def _table(source: Store | pd.DataFrame, step: str, name: str) -> pd.DataFrame:
    import pandas as pd

    return source if isinstance(source, pd.DataFrame) else source.table(step, name)
