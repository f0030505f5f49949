"""Runs that come after others: these are taken from the store, whatever was known of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.still_runs import (
    KNOWN,
    WAVELENGTH,
    assert_same_tables,
    damaged,
    events,
    stills,
    write_raw,
    write_run,
)

from dxdask.graphs.stills import process as graph
from dxdask.graphs.stills.events import process_events
from dxdask.storage.store.store import Store

PATTERNS = ("x.x", "..", "xx.")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    out = []
    for i, pattern in enumerate(PATTERNS):
        photons = events(pattern, seed=30 + 10 * i).photons
        out.append(write_run(folder / f"run_{i}.h5", photons, first=1000 * i))
    damaged(out[0], 1)
    return out


@pytest.fixture(scope="module")
def at_once(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Store:
    return stills(files, tmp_path_factory.mktemp("once") / "a.zarr")


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list to which each run is added whose frames are taken to their spots."""
    runs: list[str] = []

    def recorded(pieces: Any, run: Any, *args: Any, **others: Any) -> Any:
        runs.append(run.experiment.run)
        return process_events(pieces, run, *args, **others)

    monkeypatch.setattr(graph, "process_events", recorded)
    return runs


def test_only_new_runs_are_read(
    files: list[Path], at_once: Store, tmp_path: Path, looked_at: list[str]
) -> None:
    path = tmp_path / "a.zarr"
    for n in (1, 2, 3):
        store = stills(files[:n], path)
        assert looked_at == [f"run_{n - 1}"]
        looked_at.clear()
    assert_same_tables(store, at_once)
    assert len(store.show()["problems"]) == 1


def test_runs_keep_their_names_when_one_of_the_same_comes(
    files: list[Path], tmp_path: Path, looked_at: list[str]
) -> None:
    same = []
    for i in (0, 1):
        (tmp_path / f"r{i}").mkdir()
        same.append(Path(shutil.copy(files[i], tmp_path / f"r{i}" / "run.h5")))
    path = tmp_path / "a.zarr"
    assert list(stills(same[:1], path).experiments("index").runs) == ["run"]
    looked_at.clear()
    store = stills(same, path)
    assert list(store.experiments("index").runs) == ["run", "r1_run"]
    assert looked_at == ["r1_run"]
    merged = store.step_attributes("merge")["id"]
    assert stills(same, path).step_attributes("merge")["id"] == merged


def test_problems_of_events_before_stay(files: list[Path], tmp_path: Path) -> None:
    unknown = np.array([WAVELENGTH, np.nan, WAVELENGTH])
    photons = events("x.x", seed=30).photons
    first = write_run(tmp_path / "first.h5", photons, incident_wavelength=unknown)
    before = stills(first, tmp_path / "a.zarr").show()["problems"]
    assert [(p["step"], p["image"]) for p in before] == [("hits", 2)]
    assert stills([first, files[2]], tmp_path / "a.zarr").show()["problems"] == before


@pytest.mark.parametrize("left_out", ["index", "integrate", "merge"])
def test_they_are_taken_as_far_as_they_were(
    files: list[Path], at_once: Store, tmp_path: Path, looked_at: list[str], left_out: str
) -> None:
    path = tmp_path / "a.zarr"
    stills(files[:2], path, **{f"dispatch.{left_out}": False})
    looked_at.clear()
    assert_same_tables(stills(files, path), at_once)
    assert looked_at == ["run_2"]


@pytest.mark.slow
def test_other_parameters_concern_all_runs(
    files: list[Path], tmp_path: Path, looked_at: list[str]
) -> None:
    path = tmp_path / "a.zarr"
    stills(files[:2], path)
    change = {"integration.prediction.d_min": 5.0}
    looked_at.clear()
    store = stills(files, path, **change)
    # spots and crystals of the first two are those in the store
    assert looked_at == ["run_2"]
    assert_same_tables(store, stills(files, tmp_path / "b.zarr", **change))
    stills(files[:2], tmp_path / "c.zarr")
    looked_at.clear()
    stills(files, tmp_path / "c.zarr", **{"spotfinder.filter.min_spot_size": 3})
    assert sorted(looked_at) == ["run_0", "run_1", "run_2"]
    stills(files[:2], tmp_path / "d.zarr")
    looked_at.clear()
    stills(files, tmp_path / "d.zarr", force=True)
    assert sorted(looked_at) == ["run_0", "run_1", "run_2"]


def test_the_cell_is_that_of_all_runs(files: list[Path], tmp_path: Path) -> None:
    blind = dict.fromkeys(KNOWN)
    path = tmp_path / "a.zarr"
    stills(files[:1], path, **blind)
    both = stills(files, path, **blind)
    assert_same_tables(both, stills(files, tmp_path / "b.zarr", **blind))
    assert both.table("index", "consensus")["n_crystals"][0] == 4


def test_each_run_keeps_its_calibration(tmp_path: Path, looked_at: list[str]) -> None:
    raw, dark = write_raw(tmp_path, events("xx.").photons)
    with h5py.File(raw) as file:
        second = write_run(tmp_path / "raw_2.h5", file["entry/data/data"][1:])
    given = {"calibration.dark_path": str(dark), "calibration.gain": 8.0}
    stills(raw, tmp_path / "a.zarr", **given)
    looked_at.clear()
    store = stills([raw, second], tmp_path / "a.zarr", **given)
    assert looked_at == ["raw_2"]
    assert_same_tables(store, stills([raw, second], tmp_path / "b.zarr", **given))


@pytest.mark.slow
def test_peaks_are_taken_over_too(files: list[Path], tmp_path: Path, looked_at: list[str]) -> None:
    given = {"hits.method": "peakfinder8", "hits.preset": "permissive"}
    given |= {"hits.peakfinder8.threshold": 3.0}
    stills(files[:2], tmp_path / "a.zarr", **given)
    looked_at.clear()
    store = stills(files, tmp_path / "a.zarr", **given)
    assert looked_at == ["run_2"]
    assert store.arrays("index")["indexed"].sum() == 4
    assert_same_tables(store, stills(files, tmp_path / "b.zarr", **given))
