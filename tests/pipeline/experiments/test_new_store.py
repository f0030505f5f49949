"""New stores are there whole or not at all, and what they replace stays until then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.same_stores import assert_same

import dxdask
from dxdask.errors import ParameterError, StoreExistsError, StoreLockedError, StoreWriteError
from dxdask.pipeline.experiments.new_store import completed
from dxdask.storage.store.store import Store

pytestmark = pytest.mark.jit


def test_an_error_leaves_nothing_behind_and_keeps_what_was_there(
    tmp_path: Path, processed: Store
) -> None:
    out = tmp_path / "c.zarr"
    with pytest.raises(ParameterError, match="numbered 0 to 2"):
        dxdask.combine_experiments([processed], out, detector=7)
    assert not list(tmp_path.iterdir())
    before = dxdask.combine_experiments([processed], out)
    with pytest.raises(ParameterError, match="numbered 0 to 2"):
        dxdask.combine_experiments([processed], out, detector=7, overwrite=True)
    assert_same(dxdask.open(out), before)
    assert [path.name for path in tmp_path.iterdir()] == ["c.zarr"]
    # of several outputs all are looked at before the first is made
    dxdask.combine_experiments([processed], tmp_path / "p_1.zarr")
    with pytest.raises(StoreExistsError, match=r"p_1\.zarr"):
        dxdask.split_experiments(processed, experiments_prefix=str(tmp_path / "p"))
    assert not (tmp_path / "p_0.zarr").exists()


def test_a_store_that_cannot_be_replaced_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.zarr"
    created = Store.create(path).attributes["created"]
    rename = os.rename

    def fails_at_the_end(old: Path, new: Path) -> None:
        if "partial" in Path(old).name and "replaced" not in Path(old).name:
            raise OSError(28, "No space left on device")
        rename(old, new)

    monkeypatch.setattr(os, "rename", fails_at_the_end)
    with (
        pytest.raises(StoreWriteError, match="No space left"),
        completed(path, overwrite=True),
    ):
        pass
    assert Store.open(path).attributes["created"] == created
    assert [p.name for p in tmp_path.iterdir()] == ["c.zarr"]


def test_a_store_that_is_written_to_is_not_replaced(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "c.zarr")
    with (
        store.writing(),
        pytest.raises(StoreLockedError, match="is being written to"),
        completed(store.path, overwrite=True),
    ):
        pass
    assert Store.open(store.path).runs == ()
    assert [p.name for p in tmp_path.iterdir()] == ["c.zarr"]
