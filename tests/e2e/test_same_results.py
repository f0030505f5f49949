"""The same results wherever the graph runs, however frames are chunked, in one go or by steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.ensemble_example import FRAME, QUICK, STEPS, assert_same, words
from support.schedulers import running_scheduler

import dxdask as dx
from dxdask.cli.main import run
from dxdask.storage.frames import lazy
from dxdask.storage.store.store import Store


def process(raw: list[Path], path: Path, **others: Any) -> Store:
    return dx.process(raw, path, show=dx.quiet, **{**QUICK, **others})


@pytest.mark.parametrize("images_per_chunk", [1, pytest.param(7, marks=pytest.mark.slow), 14])
def test_chunks(
    raw: list[Path],
    processed: Store,
    tmp_path: Path,
    images_per_chunk: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # blocks of one chunk: the small runs would be one block each
    one_image = FRAME[0] * FRAME[1] * 2
    monkeypatch.setattr(lazy, "SMALL_BLOCK", one_image)
    monkeypatch.setattr(lazy, "USUAL_BLOCK", one_image)
    where = "synchronous" if images_per_chunk == 7 else "threads"
    store = process(raw, tmp_path / "a.zarr", images_per_chunk=images_per_chunk, cluster=where)
    assert store.frames("tiny_1").chunks[0][0] == images_per_chunk
    assert_same(processed, store)


def test_local_processes(raw: list[Path], processed: Store, tmp_path: Path) -> None:
    local = {"kind": "local", "processes": 2, "cores": 2, "memory": "3GB", "dashboard": None}
    assert_same(processed, process(raw, tmp_path / "a.zarr", cluster=local))


@pytest.mark.slow
def test_a_scheduler_elsewhere(
    raw: list[Path], processed: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_scheduler(tmp_path / "cluster") as scheduler:
        # workers run in another folder than the files are named from
        monkeypatch.chdir(raw[0].parent.parent)
        relative = [f.relative_to(raw[0].parent.parent) for f in raw]
        store = process(relative, tmp_path / "a.zarr", cluster=scheduler.address)
        assert_same(processed, store)
        # the scheduler keeps nothing: the same again, with force, is computed again
        before = store.step_attributes("find_spots")["id"]
        process(relative, tmp_path / "a.zarr", cluster=scheduler.address, force=True)
        assert store.step_attributes("find_spots")["id"] != before
        assert_same(processed, store)


def test_step_by_step_on_the_command_line(
    raw: list[Path], processed: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "steps.zarr"
    assert run(["import", *map(str, raw), "-o", str(path)]) == 0
    store = Store.open(path)
    for step in STEPS:
        given = words(QUICK) if step == "index" else []
        assert run([step, str(path), *given]) == 0
        assert store.has_step(step)
    assert capsys.readouterr().err == ""
    assert_same(processed, store)
    shown, others = processed.show(), store.show()
    for step in STEPS:
        assert shown["steps"][step]["tables"].keys() == others["steps"][step]["tables"].keys()
