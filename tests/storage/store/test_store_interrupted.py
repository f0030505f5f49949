"""Writing that fails, stops or is met by a reader: what was complete stays."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.store_examples import assert_same, edit, result

from dxdask.errors import StoreWriteError
from dxdask.storage.store import create, layout, read, swap
from dxdask.storage.store.store import Store


def left_over(store: Store) -> list[Path]:
    """Steps on their way in and out of a store; none where nothing is being written."""
    folders = (layout.STAGING, layout.REPLACED)
    return [p for f in folders for p in (store.path / f).glob("*/*") if p.is_dir()]


def test_full_disk_leaves_the_result_before(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write_step("find_spots", result(1))
    store.write_step("index", result(1))
    real, written = create.array, []

    def full(parent: Any, name: str, *args: Any, **others: Any) -> None:
        written.append(name)
        if len(written) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(parent, name, *args, **others)

    monkeypatch.setattr(create, "array", full)
    with pytest.raises(StoreWriteError, match=r"cannot write index .*No space left.*intact.*free"):
        store.write_step("index", result(2))
    monkeypatch.undo()
    assert_same(store.read_step("find_spots"), result(1))
    assert_same(store.read_step("index"), result(1))
    assert left_over(store) == []
    store.write_step("index", result(2))
    assert_same(store.read_step("index"), result(2))


def test_failed_swap_is_undone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write_step("index", result(1))
    real = os.rename

    def rename(source: Any, target: Any) -> None:
        if Path(source).parent.parent.name == "staging" and Path(target).name == "index":
            raise OSError(errno.EIO, "Input/output error")
        real(source, target)

    monkeypatch.setattr(swap.os, "rename", rename)
    with pytest.raises(StoreWriteError, match="Input/output error"):
        store.write_step("index", result(2))
    monkeypatch.undo()
    assert (store.path / "results/main/index").is_dir()
    assert_same(store.read_step("index"), result(1))


@pytest.mark.parametrize("step", ["index", "histogram"])
def test_death_between_the_renames(store: Store, step: str) -> None:
    store.write_step(step, result(1))
    place = layout.step_path(store.path, "main", step)
    waiting = layout.replaced_path(store.path, "main", step)
    create.parents(store.path, waiting)
    os.rename(place, waiting)
    assert_same(store.read_step(step), result(1))
    assert list(store.show()["steps"]) == [step]
    with store.writing():
        assert place.is_dir()
    assert_same(store.read_step(step), result(1))


def test_death_before_the_history_was_written(store: Store) -> None:
    store.write_step("index", result(1), parameters={"n": 1})
    entry = next(p for p in (store.path / "history").iterdir() if p.is_dir())
    shutil.rmtree(entry)
    assert [e["parameters"] for e in store.history()] == [{"n": 1}]
    store.write_step("index", result(2), parameters={"n": 2})
    assert [e["parameters"] for e in store.history()] == [{"n": 1}, {"n": 2}]


def test_incomplete_step_is_absent(store: Store) -> None:
    store.write_step("index", result())
    edit(store.path / "results/main/index", lambda m: m["attributes"].pop("complete"))
    assert not store.has_step("index")
    assert store.show()["steps"] == {}


def test_reader_meets_a_writer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step replaced while it is read is read again: never half of each version."""
    from dxdask.storage.store import results

    store.write_step("index", result(1))
    real = results.columns
    times = []

    def slow(*args: Any) -> Any:
        times.append(1)
        if len(times) == 1:
            Store.open(store.path).write_step("index", result(2))
        return real(*args)

    monkeypatch.setattr(results, "columns", slow)
    assert_same(store.read_step("index"), result(2))
    assert len(times) == 2


def test_reader_comes_between_the_renames(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new version is put in place after its place was found empty, and the old one is gone."""
    store.write_step("index", result(1))
    place = layout.step_path(store.path, "main", "index")
    away = store.path / "away"
    os.rename(place, away)
    real = read._identity

    def replaced(path: Path) -> tuple[str, int, int, int]:
        if path.parent.parent.name == "replaced":
            os.rename(away, place)
        return real(path)

    monkeypatch.setattr(read, "_identity", replaced)
    assert read.own_step(store.path, "index", "main") == place
