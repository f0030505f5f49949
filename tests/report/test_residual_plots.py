"""Plots of residuals, crystals and spots: what is drawn is the values, in the right places."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from support.residual_examples import observed, run, tiled, varying

from dxdask.columns import Flag, select
from dxdask.errors import InputError
from dxdask.models import ExperimentList
from dxdask.report import (
    plot_reciprocal_lattice,
    plot_residual_histograms,
    plot_residual_vectors,
    plot_residuals_along_scan,
    plot_residuals_over_detector,
    plot_rmsd_by_image,
    plot_scan_varying_cell,
    plot_scan_varying_orientation,
    plot_spots_by_image,
    plot_spots_over_detector,
    plot_z_scores,
)
from dxdask.report.values import (
    residuals_by_image,
    residuals_over_detector,
    scan_varying_crystals,
    spots_by_image,
)
from dxdask.storage.store.store import Store


def source(noise: float = 0.05):
    runs = run("one"), run("two", n_images=20)
    return observed(*runs, noise=noise), ExperimentList.of(runs)


def test_a_displaced_module_has_the_colour_of_its_displacement() -> None:
    one = run()
    table, e = observed(one), ExperimentList.of([one])
    table["x"] += np.where(table["y_cal"] > 150, 1.5, 0.0)
    axes = plot_residuals_over_detector((table, e), bin_size=50, limit=2.0)
    assert [ax.get_title() for ax in axes] == ["dx (px)", "dy (px)", "dz (images)"]
    bins = axes[0].collections[0]
    assert isinstance(bins, PolyCollection)
    found = residuals_over_detector((table, e), bin_size=50)
    shown = np.isfinite(found.mean["x"])
    np.testing.assert_array_equal(bins.get_array(), found.mean["x"][shown])
    assert bins.get_clim() == (-2.0, 2.0)
    # red where observed beyond predicted, in the lower half of the frame, y down
    middle = np.array([p.vertices[:4].mean(axis=0) for p in bins.get_paths()])
    red = bins.to_rgba(bins.get_array())
    lower = middle[:, 1] > 160
    assert (red[lower, 0] > red[lower, 2] + 0.3).all()
    low, high = axes[0].get_ylim()
    assert low > high


def test_arrows_point_from_the_bins_by_the_mean_residual() -> None:
    one = run()
    table, e = observed(one), ExperimentList.of([one])
    table["x"] += 0.3
    ax = plot_residual_vectors((table, e), bin_size=50)
    arrows = ax.collections[0]
    assert ax.get_title() == "residuals, 200 times as large"
    np.testing.assert_allclose(arrows.U, 60.0, rtol=1e-6)  # type: ignore[attr-defined]
    np.testing.assert_allclose(arrows.V, 0.0, atol=1e-6)  # type: ignore[attr-defined]


def test_240_panels_are_drawn_in_one_collection() -> None:
    one = run()
    many = replace(one, detector=tiled(one.detector, 240))
    table = observed(many)
    axes = plot_residuals_over_detector((table, ExperimentList.of([many])))
    assert len(axes[0].collections) == 2
    assert len(axes[0].collections[1].get_paths()) == 240


def test_lines_along_the_scan_are_the_tables() -> None:
    given = source()
    table = residuals_by_image(given)
    for plot, kind in (
        (plot_residuals_along_scan, "mean"),
        (plot_rmsd_by_image, "rmsd"),
    ):
        axes = plot(given)
        for ax, name in zip(axes, ("x_px", "y_px", "z_images"), strict=True):
            for i in (0, 1):
                own = table[table["experiment"] == i]
                np.testing.assert_array_equal(ax.lines[i].get_xdata(), own["image"])
                np.testing.assert_array_equal(ax.lines[i].get_ydata(), own[f"{kind}_{name}"])
    labels = [t.get_text() for t in axes[0].get_legend().get_texts()]
    assert labels == ["one", "two"]


def test_histograms_have_all_reflections_and_z_scores_a_normal_curve() -> None:
    given = source(noise=0.1)
    n = len(given[0]["x"])
    axes = plot_residual_histograms(given)
    assert [a.patches[0].get_data().values.sum() for a in axes] == [n] * 3
    scores = plot_z_scores(given)
    curve, bars = scores[0].lines[0], scores[0].patches[0].get_data()
    assert curve.get_ydata().max() == pytest.approx(n * 0.2 / np.sqrt(2 * np.pi), rel=0.01)
    assert bars.values.max() == pytest.approx(curve.get_ydata().max(), rel=0.3)


def test_varying_crystals_have_lines_for_static_values_and_bands_for_uncertainties() -> None:
    one = varying(run(), degrees=0.5, growth=0.002)
    crystal = replace(one.crystal, cell_su=(0.01, 0.01, 0.01, 0.1, 0.1, 0.1))
    e = ExperimentList.of([replace(one, crystal=crystal)])
    axes = plot_scan_varying_cell(e, against="angle")
    line, static = axes[0, 0].lines
    np.testing.assert_allclose(line.get_ydata()[[0, -1]], [35, 35.07])
    np.testing.assert_allclose(line.get_xdata()[[0, -1]], [3.0, 23.0])
    assert static.get_ydata()[0] == pytest.approx(35)
    band = axes[0, 0].patches[0].get_bbox()
    assert (band.y0, band.y1) == pytest.approx((34.99, 35.01))
    ax = plot_scan_varying_orientation(e)
    np.testing.assert_allclose(ax.lines[0].get_ydata()[-1], 0.5, atol=1e-6)
    np.testing.assert_allclose(ax.lines[1].get_ydata(), 0.0, atol=1e-6)


def test_the_reciprocal_lattice_is_drawn_by_indexed_lattice_and_run() -> None:
    table, e = source()
    table["flags"][::4] &= ~np.uint32(Flag.INDEXED)
    n, lost = len(table["x"]), (len(table["x"]) + 3) // 4
    for view in ("3d", "a*", "b*", "c*", "z"):
        ax = plot_reciprocal_lattice((table, e), view=view)
        assert [len(c.get_offsets()) for c in ax.collections] == [lost, n - lost]
    two = plot_reciprocal_lattice((table, e), view="a*", colour_by="lattice")
    assert len(two.collections) == 3
    labels = [t.get_text() for t in two.get_legend().get_texts()]
    assert labels[1].startswith("lattice 1: ")
    runs = plot_reciprocal_lattice((table, e), view="a*", colour_by="run")
    assert [len(c.get_offsets()) for c in runs.collections] == np.bincount(
        table["experiment"]
    ).tolist()
    with pytest.raises(InputError, match="needs axes of the projection 3d"):
        plot_reciprocal_lattice((table, e), two)


def test_spots_over_scan_and_detector() -> None:
    table, e = source(noise=0.0)
    table["flags"][::4] &= ~np.uint32(Flag.INDEXED)
    found = spots_by_image((table, e))
    ax = plot_spots_by_image((table, e))
    own = found[found["run"] == "two"]
    np.testing.assert_array_equal(ax.lines[3].get_ydata(), own["n_indexed"])
    np.testing.assert_array_equal(ax.lines[2].get_ydata(), own["n_indexed"] + own["n_unindexed"])
    places = plot_spots_over_detector((table, e))
    sizes = [len(c.get_offsets()) for c in places.collections]
    assert sizes == [found["n_indexed"].sum(), found["n_unindexed"].sum()]


PLOTS = [
    plot_residuals_over_detector,
    plot_residual_vectors,
    plot_residuals_along_scan,
    plot_rmsd_by_image,
    plot_residual_histograms,
    plot_z_scores,
    plot_reciprocal_lattice,
    plot_spots_by_image,
    plot_spots_over_detector,
]


@pytest.mark.parametrize("plot", PLOTS)
def test_nothing_to_plot_is_said(plot, tmp_path: Path) -> None:
    table, e = source()
    with pytest.raises(InputError, match="no reflections to plot; process the runs first"):
        plot((select(table, np.arange(0)), e))
    with pytest.raises(InputError, match=r"has no result of .*; run: dxdask"):
        plot(Store.create(tmp_path / "empty.zarr"))


@pytest.mark.parametrize("plot", PLOTS)
def test_a_store_is_plotted(plot, processed: Store, tmp_path: Path) -> None:
    first = np.ravel(plot(processed))[0]
    first.get_figure(root=True).savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 3000


@pytest.mark.parametrize("plot", PLOTS[:5] + PLOTS[6:])
def test_stills_are_plotted(plot, stills_store: Store) -> None:
    assert len(np.ravel(plot(stills_store))) > 0


@pytest.mark.shared
@pytest.mark.parametrize("plot", PLOTS)
def test_results_of_dials_are_plotted_without_frames(plot, shared: Path, tmp_path: Path) -> None:
    from dxdask.storage.importers.dials.files import read_experiments
    from dxdask.storage.importers.dials.reflections import read_reflections

    folder = shared / "reference/lysozyme_ed"
    e = read_experiments(folder / "indexed.expt")
    plot((read_reflections(folder / "indexed.refl", e), e))


@pytest.mark.shared
def test_values_of_dials_files(shared: Path) -> None:
    from dxdask.storage.importers.dials.files import read_experiments
    from dxdask.storage.importers.dials.reflections import read_reflections

    folder = shared / "reference/lysozyme_ed"
    e = read_experiments(folder / "indexed.expt")
    table = read_reflections(folder / "indexed.refl", e)
    counts = spots_by_image((table, e))
    assert (counts["n_indexed"].sum(), counts["n_unindexed"].sum()) == (1185, 200)
    varying_cell = scan_varying_crystals(read_experiments(folder / "integrated.expt"))
    assert len(varying_cell) == 47
    np.testing.assert_allclose(varying_cell["a"], varying_cell["b"])
