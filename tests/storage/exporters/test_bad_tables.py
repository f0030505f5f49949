"""Tables of reflections that cannot be exported, and values that are not known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest
from support.made_up import MadeUp, made_up

from dxdask.columns import Reflections, select
from dxdask.errors import InputError, SchemaError
from dxdask.merging import merge
from dxdask.scaling import scale
from dxdask.storage.exporters.mmcif import write_merged_mmcif, write_unmerged_mmcif
from dxdask.storage.exporters.mtz import write_merged
from dxdask.storage.exporters.mtz_unmerged import write_unmerged
from dxdask.storage.exporters.xds_ascii import write_xds_ascii
from dxdask.storage.importers.free_flags import read_free_flags

Writer = Callable[..., Any]
MERGED = (write_merged, write_merged_mmcif)
UNMERGED = (write_unmerged, write_unmerged_mmcif, write_xds_ascii)


@pytest.fixture(scope="module")
def scaled() -> MadeUp:
    data = made_up(share=0.3, transmissions=(1.0,), d_min=5.0)
    data.reflections = scale(data.reflections, data.experiments).reflections
    return data


@pytest.fixture(scope="module")
def merged(scaled: MadeUp) -> Reflections:
    return merge(scaled.reflections, scaled.experiments).reflections


@pytest.mark.parametrize("write", MERGED)
def test_merged_tables(scaled: MadeUp, merged: Reflections, tmp_path: Path, write: Writer) -> None:
    path = tmp_path / "a"
    for name in ("hkl", "intensity", "sigma", "n_observations"):
        with pytest.raises(SchemaError, match=name):
            write(path, {k: v for k, v in merged.items() if k != name}, scaled.experiments)
        with pytest.raises(SchemaError, match="should be"):
            write(path, merged | {name: merged[name][:-1]}, scaled.experiments)
    with pytest.raises(InputError, match="no merged reflection"):
        write(path, select(merged, np.zeros(0, np.int64)), scaled.experiments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", UNMERGED)
def test_unmerged_tables(scaled: MadeUp, tmp_path: Path, write: Writer) -> None:
    path, table = tmp_path / "a", scaled.reflections
    for name in ("hkl", "flags", "x_cal", "z_cal", "lp"):
        with pytest.raises(SchemaError, match=name):
            write(path, {k: v for k, v in table.items() if k != name}, scaled.experiments)
        with pytest.raises(SchemaError, match="should be"):
            write(path, table | {name: table[name][:-1]}, scaled.experiments)
    with pytest.raises(InputError, match="nothing to write"):
        write(path, select(table, np.zeros(0, np.int64)), scaled.experiments)
    nothing = table | {"intensity": np.full(len(table["flags"]), np.nan)}
    with pytest.raises(InputError, match="nothing to write"):
        write(path, nothing, scaled.experiments)
    assert list(tmp_path.iterdir()) == []


def test_observations_without_a_value_are_not_written(scaled: MadeUp, tmp_path: Path) -> None:
    table = {name: values.copy() for name, values in scaled.reflections.items()}
    write_unmerged(tmp_path / "a.mtz", table, scaled.experiments)
    n = gemmi.read_mtz_file(str(tmp_path / "a.mtz")).nreflections
    good = np.flatnonzero(table["intensity_variance"] > 0)
    table["intensity"][good[0]] = np.nan
    table["intensity_variance"][good[1]] = -1.0
    write_unmerged(tmp_path / "a.mtz", table, scaled.experiments)
    assert gemmi.read_mtz_file(str(tmp_path / "a.mtz")).nreflections == n - 2


def test_unknown_values_are_marked_as_such(
    scaled: MadeUp, merged: Reflections, tmp_path: Path
) -> None:
    assert np.isnan(merged["intensity_minus"]).any()
    write_merged(tmp_path / "a.mtz", merged, scaled.experiments)
    write_merged_mmcif(tmp_path / "a.cif", merged, scaled.experiments)
    values = np.array(gemmi.read_mtz_file(str(tmp_path / "a.mtz")).column_with_label("I(-)"))
    [block] = gemmi.cif.read(str(tmp_path / "a.cif"))
    texts = list(block.find_values("_refln.pdbx_I_minus"))
    np.testing.assert_array_equal([t == "?" for t in texts], np.isnan(values))


def test_a_truncated_reference_of_flags_is_named(
    scaled: MadeUp, merged: Reflections, tmp_path: Path
) -> None:
    write_merged(tmp_path / "whole.mtz", merged, scaled.experiments)
    whole = (tmp_path / "whole.mtz").read_bytes()
    for size in (0, 3, 100, len(whole) // 2):
        (tmp_path / "cut.mtz").write_bytes(whole[:size])
        with pytest.raises(InputError, match="give another reference"):
            read_free_flags(tmp_path / "cut.mtz")
    with pytest.raises(InputError, match="give another reference"):
        read_free_flags(tmp_path / "absent.mtz")
    bare = gemmi.Mtz(with_base=True)
    bare.spacegroup = gemmi.SpaceGroup(19)
    bare.set_data(np.ones((2, 3), np.float32))
    bare.write_to_file(str(tmp_path / "bare.mtz"))
    with pytest.raises(InputError, match="no column of free-R flags"):
        read_free_flags(tmp_path / "bare.mtz")
