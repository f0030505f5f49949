"""Plots of an ensemble: on axes of one's own, of tables alone, in the palette."""

from __future__ import annotations

from io import BytesIO

import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from dxdask.report import (
    plot_ensemble,
    plot_histograms,
    plot_intensities,
    plot_matched,
    plot_merging,
    plot_pairs,
    plot_pixels,
    plot_ratios,
    plot_residual_map,
    plot_rmsds,
)
from dxdask.report.axes import legend
from dxdask.report.palette import COLOURS
from dxdask.storage.store.store import Store


@pytest.mark.parametrize(
    "plot", [plot_histograms, plot_pairs, plot_rmsds, plot_merging, plot_residual_map]
)
def test_axes_that_are_given_are_drawn_on_and_returned(processed: Store, plot: object) -> None:
    ax = Figure().subplots()
    assert callable(plot)
    assert plot(processed, ax) is ax
    assert plot(processed).figure is not ax.figure
    assert ax.get_xlabel()
    assert ax.get_ylabel()


def test_tables_alone_are_enough(processed: Store) -> None:
    rmsds = processed.table("refine", "rmsds")
    line = plot_rmsds(rmsds).get_lines()[0]
    assert line.get_ydata().tolist() == rmsds["rmsd_x_px"].tolist()  # type: ignore[union-attr]
    shells = processed.table("merge", "shells")
    assert plot_merging(shells).get_lines()[0].get_ydata().tolist() == shells["cc_half"].tolist()  # type: ignore[union-attr]


def test_tables_of_a_selection_alone_are_enough(processed: Store) -> None:
    import dxdask

    found = dxdask.explore(processed, runs=["tiny_1"])
    for plot, table in (
        (plot_pixels, found.pixels()),
        (plot_intensities, found.intensities()),
        (plot_matched, found.pairs()),
        (plot_ratios, found.ratios(by=["run"], n_bins=4)),
    ):
        assert len(plot(table).get_lines()) >= 1


def test_curves_have_the_colours_of_the_palette(processed: Store) -> None:
    colours = [to_hex(line.get_color()).upper() for line in plot_histograms(processed).get_lines()]
    assert colours == list(COLOURS[:3])


def test_the_ensemble_has_a_map_of_residuals(processed: Store) -> None:
    titles = [ax.get_title() for ax in plot_ensemble(processed).axes]
    assert "residuals of the header's geometry" in titles


def test_the_legend_of_many_curves_is_not_cut_off() -> None:
    figure = Figure(figsize=(6, 4), layout="constrained")
    ax = figure.subplots()
    for i in range(45):
        ax.plot([0, 1], [0, i], label=f"insulin_scan_{i}")
    legend(ax)
    figure.savefig(BytesIO())  # which lays it out
    found = ax.get_legend()
    assert found is not None
    box, whole = found.get_window_extent(), figure.bbox
    assert box.x0 >= ax.bbox.x1 - 1
    assert box.x1 <= whole.x1 + 1
    assert found.get_texts()[-1].get_text() == "and 25 more"
    assert box.y0 >= -1
