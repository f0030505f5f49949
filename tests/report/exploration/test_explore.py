"""A selection of an ensemble: its numbers are those of the steps; modules and images add up."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

import dxdask
from dxdask.columns import Flag, has_flag
from dxdask.errors import InputError
from dxdask.report.palette import COLOURS, curve_styles
from dxdask.storage.store.store import Store


def test_pixels_are_those_of_the_histogram(processed: Store) -> None:
    found = dxdask.explore(processed).pixels()
    arrays = processed.arrays("histogram")
    for i, run in enumerate(processed.runs):
        own = found[found["run"] == run].groupby("value")["n"].sum()
        expected = arrays["histogram"][i]
        low = own[own.index < len(expected) - 1]
        # saturated pixels beside the spots are counted by the step alone
        np.testing.assert_array_equal(low.to_numpy(), expected[low.index.astype(int)])
        assert set(found["module"]) == {"module_0", "module_1"}


@pytest.mark.parametrize("table", ["pixels", "intensities", "pairs"])
def test_modules_and_image_ranges_add_up(processed: Store, table: str) -> None:
    every = dxdask.explore(processed)
    parts = [
        dxdask.explore(processed, modules=[module], images=images)
        for module in (0, "module_1")
        for images in ((1, 6), (7, 14))
    ]
    whole = getattr(every, table)()
    pieces = [getattr(part, table)() for part in parts]
    if table == "pairs":
        assert sum(map(len, pieces)) == len(whole) > 0
    else:
        assert sum(p["n"].sum() for p in pieces) == whole["n"].sum() > 0
    assert parts[0].pairs()["image"].max() <= 6
    assert set(parts[3].pairs()["module"]) == {"module_1"}


def test_ratios_are_those_of_linearity(processed: Store) -> None:
    found = dxdask.explore(processed).ratios(by=["run"])
    table = processed.table("linearity", "ratios")
    assert found["run"].tolist() == table["run"].tolist()
    np.testing.assert_array_equal(found["n"], table["n"])
    np.testing.assert_allclose(found["median"], table["median"])
    np.testing.assert_allclose(found["sum_ratio"], table["sum_ratio"])
    np.testing.assert_allclose(found["relative"], found["median"] / table["transmission"])


def test_ratios_in_bins_have_every_pair(processed: Store) -> None:
    chosen = dxdask.explore(processed, runs=["tiny_1"])
    bins = chosen.ratios(n_bins=4)
    assert bins["n"].sum() == len(chosen.pairs())
    assert bins.groupby("module")["reference"].is_monotonic_increasing.all()


def test_intensities_are_counted_once(processed: Store) -> None:
    found = dxdask.explore(processed, runs=["tiny_2"]).intensities(bins_a_decade=5)
    table = processed.columns("integrate", ["intensity_prf"], run="tiny_2")
    assert found["n"].sum() <= (table["intensity_prf"] > 0).sum()
    inside = (table["intensity_prf"] >= 10) & (table["intensity_prf"] < 10**1.2)
    row = found[np.isclose(found["low"], 10)]
    assert 0 < row["n"].sum() <= inside.sum()


def test_masks_by_module(processed: Store) -> None:
    found = dxdask.explore(processed).masks()
    masked = ~processed.imported_mask("tiny_1")
    detector = processed.experiments("integrate")[0].detector
    own = found[found["run"] == "tiny_1"]
    assert own["imported"].tolist() == [int(masked[p.slices].sum()) for p in detector.panels]
    assert (own["any"] >= own["imported"]).all()
    bad = processed.table("find_spots", "bad_pixels")
    assert own["bad_pixel"].sum() == (bad["run"] == "tiny_1").sum()


def test_four_plots_of_a_selection(processed: Store) -> None:
    axes = dxdask.explore(processed, images=(1, 10)).plot()
    assert len(axes) == 4
    for ax in axes:
        assert ax.get_xlabel()
        assert ax.get_ylabel()
        texts = [t.get_text() for t in ax.get_legend().get_texts()]  # type: ignore[union-attr]
        assert texts == ["tiny_1", "tiny_2", "tiny_3"]


def test_the_palette_repeats_only_with_another_line() -> None:
    styles = curve_styles(24)
    assert len(set(styles)) == 24
    assert [colour for colour, _ in styles[:8]] == list(COLOURS)


def test_wrong_selections_are_errors(processed: Store, raw: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run x; there are tiny_1"):
        dxdask.explore(processed, runs=["x"])
    with pytest.raises(InputError, match="no module 7; there are module_0, module_1"):
        dxdask.explore(processed, modules=[7])
    with pytest.raises(InputError, match="give the first one first"):
        dxdask.explore(processed, images=(5, 1))
    with pytest.raises(InputError, match="no column colour"):
        dxdask.explore(processed).ratios(by=["colour"])
    with pytest.raises(InputError, match="dxdask process"):
        dxdask.explore(dxdask.import_(raw[0], tmp_path / "a.zarr"))


def test_pairs_of_an_older_dxdask_are_made_again(processed: Store, tmp_path: Path) -> None:
    store = Store.open(Path(shutil.copytree(processed.path, tmp_path / "s.zarr")))
    result = store.read_step("linearity")
    arrays = {k: v for k, v in result.arrays.items() if k != "pair_panel"}
    store.write_step("linearity", dataclasses.replace(result, arrays=arrays), parameters={})
    with pytest.raises(InputError, match="dxdask linearity"):
        dxdask.explore(store).pairs()


def test_stills_have_their_pixels_and_intensities(stills_store: Store) -> None:
    found = dxdask.explore(stills_store)
    table = stills_store.columns("index", ["flags", "n_pixels"])
    indexed = has_flag(table, Flag.INDEXED)
    assert found.pixels()["n"].sum() == table["n_pixels"][indexed].sum() > 0
    integrated = stills_store.columns("integrate", ["flags", "intensity_sum"])
    done = has_flag(integrated, Flag.INTEGRATED_SUM) & (integrated["intensity_sum"] > 0)
    assert found.intensities()["n"].sum() == done.sum() > 0
    with pytest.raises(InputError, match="no pairs"):
        found.pairs()
