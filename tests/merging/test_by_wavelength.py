"""Runs at several wavelengths: merged apart, and written as data sets of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest
from support.processed_files import experiment, reflections

from dxdask.columns import Reflections, concatenate, n_rows, select
from dxdask.merging import MergingParameters, merge, merge_by_wavelength
from dxdask.models import ExperimentList
from dxdask.models.wavelengths import wavelength_groups
from dxdask.storage.exporters.mtz import write_merged

pytestmark = pytest.mark.jit


def runs(*wavelengths: float) -> tuple[Reflections, ExperimentList]:
    models = [experiment(f"r{i}", w) for i, w in enumerate(wavelengths)]
    tables = [reflections("scale", seed=i + 1, index=i) for i in range(len(wavelengths))]
    return concatenate(tables), ExperimentList.of(models)


def test_groups_by_wavelength() -> None:
    _, models = runs(0.98, 1.2, 0.98005, 1.2)
    (first, one), (second, two) = wavelength_groups(models)
    assert (one, two) == ((0, 2), (1, 3))
    assert (first, second) == pytest.approx((0.980025, 1.2))
    assert len(wavelength_groups(models, 1e-6)) == 3
    assert wavelength_groups(ExperimentList.of([])) == []


def test_each_wavelength_is_merged_as_if_alone() -> None:
    table, models = runs(0.98, 0.9795, 0.98)
    both = merge_by_wavelength(table, models, MergingParameters())
    for wavelength, members in ((0.98, (0, 2)), (0.9795, (1,))):
        rows = np.flatnonzero(np.isin(table["experiment"], members))
        alone = merge(select(table, rows), models).reflections
        mine = both.reflections["wavelength"] == wavelength
        for name, values in alone.items():
            np.testing.assert_array_equal(both.reflections[name][mine], values)
    assert [row["wavelength"] for row in both.table("overall").rows] == [0.98, 0.9795]
    assert "merged apart" in both.messages[0]
    assert len(both.table("shells").rows) == 20


def test_one_wavelength_is_merged_as_before() -> None:
    table, models = runs(0.98, 0.98)
    found = merge_by_wavelength(table, models, MergingParameters())
    assert "wavelength" not in found.reflections
    wide = MergingParameters(wavelength_tolerance=0.1)
    table, models = runs(0.98, 0.9795)
    assert "wavelength" not in merge_by_wavelength(table, models, wide).reflections


def test_data_sets_of_an_mtz(tmp_path: Path) -> None:
    table, models = runs(0.98, 0.9795)
    # of the second only a part was measured
    keep = (table["experiment"] == 0) | (table["hkl"][:, 0] > 3)
    found = merge_by_wavelength(select(table, np.flatnonzero(keep)), models, MergingParameters())
    write_merged(tmp_path / "a.mtz", found.reflections, models)
    mtz = gemmi.read_mtz_file(str(tmp_path / "a.mtz"))
    assert [round(d.wavelength, 5) for d in mtz.datasets][1:] == [0.98, 0.9795]
    for number, wavelength in ((1, 0.98), (2, 0.9795)):
        column = mtz.column_with_label(f"IMEAN_WAVE{number}")
        assert column.dataset_id == number
        mine = select(
            found.reflections, np.flatnonzero(found.reflections["wavelength"] == wavelength)
        )
        values = {
            tuple(h): i
            for h, i in zip(
                np.array(mtz)[:, :3].astype(int).tolist(), np.array(column), strict=True
            )
            if np.isfinite(i)
        }
        assert len(values) == n_rows(mine)
        for hkl, intensity in zip(mine["hkl"].tolist(), mine["intensity"].tolist(), strict=True):
            assert values[tuple(hkl)] == pytest.approx(intensity, rel=1e-6)


def test_data_sets_of_batches(tmp_path: Path) -> None:
    from dxdask.storage.exporters.mtz_unmerged import write_unmerged

    table, models = runs(0.98, 0.9795, 0.98001)
    write_unmerged(tmp_path / "u.mtz", table, models)
    mtz = gemmi.read_mtz_file(str(tmp_path / "u.mtz"))
    first = {b.number // 100 * 100: b.ints[20] for b in mtz.batches}
    assert sorted(first.values()) == [1, 1, 2]
    assert replace(models).runs == ("r0", "r1", "r2")
