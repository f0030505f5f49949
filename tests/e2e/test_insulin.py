"""Two of the tutorial's runs: the same wherever they are computed, killed in the middle or not."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from support.ensemble_example import assert_same, start
from support.schedulers import running_scheduler

import dxdask
from dxdask.storage.frames import lazy
from dxdask.storage.store.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.shared]


@pytest.fixture(scope="module")
def files(shared: Path) -> list[Path]:
    found = sorted((shared / "data" / "insulin").glob("run*/*.nxs"))
    return [found[0], found[-1]]


@pytest.fixture(scope="module")
def on_threads(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Store:
    return process(files, tmp_path_factory.mktemp("insulin") / "threads.zarr")


def process(files: list[Path], path: Path, **others: object) -> Store:
    return dxdask.process(files, path, show=dxdask.quiet, space_group="I213", **others)


def test_it_is_insulin(on_threads: Store) -> None:
    crystals = on_threads.table("refine", "crystals")
    # 77.5 with the second module where the header puts it, 1.5 px from its place
    assert (abs(crystals["a"] - 78.0) < 0.01).all()
    assert (on_threads.table("index", "imagesets")["percent"] > 80).all()
    ratios = on_threads.table("linearity", "ratios")
    assert abs(ratios["sum_ratio"][0] / 0.064 - 1) < 0.05


@pytest.mark.parametrize("images_per_chunk", [7, 50])
def test_chunks(
    files: list[Path],
    on_threads: Store,
    tmp_path: Path,
    images_per_chunk: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lazy, "SMALL_BLOCK", 1)
    monkeypatch.setattr(lazy, "USUAL_BLOCK", 1)
    store = process(files, tmp_path / "a.zarr", images_per_chunk=images_per_chunk)
    assert_same(on_threads, store)


def test_local_processes(files: list[Path], on_threads: Store, tmp_path: Path) -> None:
    local = {"kind": "local", "processes": 2, "cores": 2, "dashboard": None}
    assert_same(on_threads, process(files, tmp_path / "a.zarr", cluster=local))


def test_a_scheduler_elsewhere(files: list[Path], on_threads: Store, tmp_path: Path) -> None:
    with running_scheduler(tmp_path / "cluster") as scheduler:
        store = process(files, tmp_path / "a.zarr", cluster=scheduler.address)
    assert_same(on_threads, store)


def test_killed_at_any_time(files: list[Path], on_threads: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    signs = (
        lambda: len(list(path.glob("runs/*/done/c/*"))) > 40,
        lambda: Store.open(path, mode="r").has_step("find_spots"),
        lambda: Store.open(path, mode="r").has_step("refine"),
    )
    for sign in signs:
        running = start("process", *files, "-o", path, "space_group=I213")
        while running.poll() is None:
            if path.exists() and (path / "zarr.json").exists() and sign():
                running.send_signal(signal.SIGKILL)
                break
            time.sleep(0.02)
        _, errors = running.communicate(timeout=60)
        assert running.returncode == -signal.SIGKILL, errors
    before = dxdask.open(path).step_attributes("find_spots")["id"]
    store = process(files, path)
    assert store.step_attributes("find_spots")["id"] == before
    assert_same(on_threads, store)
