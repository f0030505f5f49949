"""Headers of files exported from a store: history, software, statistics, ISa."""

from __future__ import annotations

import shutil
from pathlib import Path

import gemmi
import numpy as np
import pytest

import dxdask
from dxdask.errors import InputError
from dxdask.pipeline.processing import isa_of, processing_of
from dxdask.storage.store.store import Store


def test_history_has_the_steps_and_the_parameters_given(processed: Store, tmp_path: Path) -> None:
    for name, words, first in (
        ("m.mtz", {}, "merge"),
        ("u.mtz", {"mtz.unmerged": True}, "scale"),
    ):
        dxdask.export(processed, output=str(tmp_path / name), **words)
        lines = gemmi.read_mtz_file(str(tmp_path / name)).history
        assert lines[0].rstrip() == f"From dxdask {dxdask.__version__}"
        named = [line.split()[0] for line in lines if " by dxdask " in line]
        assert named[0] == first
        order = [n for n in ("scale", "integrate", "refine", "index", "find_spots") if n in named]
        assert [n for n in named if n in order] == order
        assert len(order) == 5
        assert any("indexing.known_symmetry.space_group = I 21 3" in line for line in lines)


def test_mmcif_has_the_statistics_of_the_store(processed: Store, tmp_path: Path) -> None:
    own = processed.table("merge", "overall").iloc[0]
    for words in ({}, {"mtz.unmerged": True}):
        path = tmp_path / "a.cif"
        dxdask.export(processed, format="mmcif", output=str(path), **words)
        block = gemmi.cif.read(str(path)).sole_block()
        [row] = block.find("_reflns.", ["number_obs", "pdbx_Rrim_I_all", "pdbx_CC_half"])
        assert int(row[0]) == own["n_unique"]
        assert float(row[1]) == pytest.approx(own["r_meas"], abs=5e-5)
        assert float(row[2]) == pytest.approx(own["cc_half"], abs=5e-5)
        assert block.find_values("_software.version")[0] == dxdask.__version__


def test_statistics_are_of_merged_and_scaled_results_only(processed: Store) -> None:
    assert processing_of(processed, "integrate").tables == {}
    assert processing_of(processed, "integrate").isa is None
    found = processing_of(processed, "scale")
    assert found.isa == isa_of(processed.tables("scale"))
    assert "shells" in found.tables


def test_a_step_that_is_absent_or_not_declared(processed: Store, tmp_path: Path) -> None:
    assert processing_of(processed, "truncate").steps == ()
    store = Store.open(shutil.copytree(processed.path, tmp_path / "s.zarr"), mode="r+")
    store.write_step("mine", processed.read_step("merge"), parameters={"n": 1})
    [record] = processing_of(store, "mine").steps
    assert (record.name, record.parameters) == ("mine", ())
    dxdask.export(store, step="mine", output=str(tmp_path / "m.mtz"))
    history = gemmi.read_mtz_file(str(tmp_path / "m.mtz")).history
    assert history[1].startswith("mine ")


def test_parquet_needs_pyarrow_or_holds_the_table(processed: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    try:
        import pyarrow.parquet  # type: ignore[import-not-found]
    except ImportError:
        with pytest.raises(InputError, match="pyarrow"):
            dxdask.export(processed, format="parquet", output=str(path), step="merge")
        assert list(tmp_path.iterdir()) == []
        return
    dxdask.export(processed, format="parquet", output=str(path), step="merge")
    table = pyarrow.parquet.read_table(path)
    np.testing.assert_array_equal(table["d"], processed.columns("merge", ["d"])["d"])
