"""Axes of a comparison: what is drawn are the numbers of its tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import dxdask
from dxdask.errors import InputError
from dxdask.report import (
    plot_compared_cells,
    plot_compared_counts,
    plot_compared_intensities,
    plot_compared_shells,
    plot_comparison,
    plot_matched_shells,
)
from dxdask.report.comparison.compare import Comparison
from dxdask.report.comparison.matched import Matched
from dxdask.report.palette import COLOURS
from dxdask.storage.store.store import Store
from dxdask.tables import Table


@pytest.fixture(scope="module")
def runs(processed: Store) -> Comparison:
    return dxdask.compare(processed, runs=("tiny_1", "tiny_3"))


def curve(ax: Axes, label: str) -> tuple[np.ndarray, np.ndarray]:
    line = next(one for one in ax.get_lines() if str(one.get_label()).startswith(label))
    return np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)


def test_counts_and_their_change(runs: Comparison) -> None:
    table = runs.table("counts")
    ax = plot_compared_counts(table, labels=runs.labels)
    for side, label in zip("AB", runs.labels, strict=True):
        assert curve(ax, label)[0].tolist() == [row[side] for row in table.rows]
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == [row["quantity"] for row in table.rows]
    texts = [text.get_text() for text in ax.texts]
    assert texts == [f"{row['%']:+.2f} %" for row in table.rows if row["%"] is not None]


def test_cells_have_lengths_and_angles_on_axes_of_their_own(runs: Comparison) -> None:
    rows = {row["quantity"]: row["B - A"] for row in runs.table("cells").rows}
    ax = plot_compared_cells(runs.table("cells"))
    angles = next(one for one in ax.figure.axes if one is not ax)
    assert ax.get_lines()[0].get_ydata() == pytest.approx([rows[k] for k in "abc"])
    assert angles.get_lines()[0].get_ydata() == pytest.approx(
        [rows[k] for k in ("alpha", "beta", "gamma")]
    )
    for one in (ax, angles):
        low, high = one.get_ylim()
        assert low == -high


@pytest.mark.parametrize("name", ["cc_half", "i_over_sigma", "completeness"])
def test_shells_are_drawn_at_their_resolution(processed: Store, name: str) -> None:
    shells = processed.table("merge", "shells")
    rows = [
        {"d_min A": d, "d_min B": 1.1 * d, f"{name} A": v, f"{name} B": 2.0 * v}
        for d, v in zip(shells["d_min"], shells[name], strict=True)
    ]
    for table in (Table(name="shells", title="", rows=rows), pd.DataFrame(rows)):
        ax = plot_compared_shells(table, name, labels=("one", "two"))
        x, y = curve(ax, "one")
        np.testing.assert_allclose(x, shells["d_min"] ** -2.0)
        np.testing.assert_allclose(y, shells[name].astype(float))
        x, y = curve(ax, "two")
        np.testing.assert_allclose(x, (1.1 * shells["d_min"]) ** -2.0)
        np.testing.assert_allclose(y, 2.0 * shells[name].astype(float))
    with pytest.raises(InputError, match=f"no 'nosuch'; they have {name}"):
        plot_compared_shells(table, "nosuch")


def test_the_line_of_matched_intensities_has_their_slope() -> None:
    rng = np.random.default_rng(1)
    a = rng.exponential(100.0, 500)
    found = Matched(a, 2.5 * a, np.full(500, 2.0), ("merged", "merged"))
    ax = plot_compared_intensities(found)
    x, y = curve(ax, "slope")
    np.testing.assert_allclose(y / x, 2.5)
    assert ax.get_legend().get_texts()[0].get_text() == "slope 2.5000, correlation 1.0000"
    assert ax.get_title() == "500 reflections"
    drawn = ax.get_lines()[0]
    np.testing.assert_array_equal(drawn.get_xdata(), a)
    np.testing.assert_array_equal(drawn.get_ydata(), 2.5 * a)


def test_figures_of_the_axes_are_those_of_the_tables(runs: Comparison) -> None:
    (matched,) = runs.table("matched").rows
    axes = runs.plot()
    assert len(axes) == 6
    text = axes[4].get_legend().get_texts()[0].get_text()
    assert text == f"slope {matched['slope']:.4f}, correlation {matched['correlation']:.4f}"
    # of runs there are no merged intensities
    assert "no merged intensities" in axes[2].texts[0].get_text()


def test_slope_and_correlation_by_shell() -> None:
    rows = [
        {"d_max": 4.0, "d_min": 3.0, "slope": 2.0, "correlation": 0.9},
        {"d_max": 3.0, "d_min": 2.5, "slope": None, "correlation": 0.8},
    ]
    ax = plot_matched_shells(Table(name="matched_shells", title="", rows=rows))
    x, y = curve(ax, "slope")
    np.testing.assert_allclose(x, [(1 / 9 + 1 / 16) / 2, (1 / 6.25 + 1 / 9) / 2])
    assert y[0] == 2.0
    assert np.isnan(y[1])


def test_axes_are_taken_and_returned_in_colours_of_the_palette(runs: Comparison) -> None:
    own = list(Figure().subplots(2, 3).ravel())
    assert plot_comparison(runs.tables, runs.matched, own) == own
    colours = {line.get_color() for ax in own for line in ax.get_lines()} - {"0.6"}
    assert colours <= set(COLOURS)
    with pytest.raises(InputError, match="5 axes are given, a comparison takes 6"):
        runs.plot(own[:5])


def test_what_a_side_has_not_is_said() -> None:
    axes = Comparison(labels=("A", "B")).plot()
    assert all(len(ax.texts) == 1 for ax in axes)
