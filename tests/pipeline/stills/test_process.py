"""Events to merged intensities: the truth, restarts, and results that depend on nothing else."""

from __future__ import annotations

import json
import logging
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.ensemble_example import python
from support.schedulers import running_scheduler, worker_killed
from support.still_examples import TETRAGONAL, misorientation
from support.still_runs import (
    KNOWN,
    SPOTS,
    STEPS,
    assert_same_tables,
    damaged,
    events,
    geometry,
    ids,
    stills,
    write_raw,
    write_run,
)

from dxdask.columns import Flag
from dxdask.fate import Fate
from dxdask.graphs.stills.process import FROM_FRAMES
from dxdask.storage.store.calibration import read_calibration
from dxdask.storage.store.store import Store

EVENTS = events()


@pytest.fixture(scope="module")
def run_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("events") / "run_a.h5", EVENTS.photons)


@pytest.fixture(scope="module")
def done(run_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The run processed; not to be written to."""
    return stills(run_file, tmp_path_factory.mktemp("done") / "a.zarr")


def test_every_hit_has_its_crystal_and_no_blank_one(done: Store) -> None:
    table = done.arrays("index")
    assert np.array_equal(table["hit"], EVENTS.is_hit)
    assert np.array_equal(table["indexed"], EVENTS.is_hit)
    assert np.array_equal(table["event_id"], np.arange(100, 108))
    for i in np.flatnonzero(EVENTS.is_hit):
        assert misorientation(table["a_matrix"][i], EVENTS.a_matrix[i], TETRAGONAL) < 0.1
    assert (done.arrays("integrate")["reason"][EVENTS.is_hit] == Fate.INTEGRATED).all()
    observed = done.columns("integrate")
    assert set(np.floor(observed["z"])) == set(np.flatnonzero(EVENTS.is_hit))
    assert ((observed["flags"] & Flag.INTEGRATED_SUM) > 0).mean() > 0.95
    assert len(done.columns("merge")["hkl"]) > 100


def test_the_tables_have_the_names_that_others_rely_on(done: Store) -> None:
    rows = done.show("index")["steps"]["index"]["tables"]["stills"]
    names = [
        "run", "image", "event_id", "hit", "indexed", "n_spots", "n_indexed", "cell",
        "rmsd_x_px", "rmsd_y_px", "reason",
    ]  # fmt: skip
    assert [list(row) for row in rows] == [names] * 8
    assert [row["image"] for row in rows] == list(range(1, 9))
    assert rows[1]["cell"] == pytest.approx([79.2, 79.2, 38.0, 90, 90, 90], abs=0.1)
    assert rows[0]["reason"] == "too few spots for a hit"
    rates = done.table("hits", "hit_rate")
    assert (int(rates["n_events"].sum()), int(rates["n_hits"].sum())) == (8, 5)
    rates = done.table("index", "index_rate")
    assert rates["n_indexed"].tolist() == EVENTS.is_hit.astype(int).tolist()
    assert rates["percent"].dropna().tolist() == [100.0] * 5
    fates = done.table("index", "fates")
    assert dict(zip(fates["fate"], fates["n_events"], strict=True)) == {
        "too few spots for a hit": 3, "indexed": 5,
    }  # fmt: skip


def test_raw_events_and_a_dark_run_give_the_same_crystals(done: Store, tmp_path: Path) -> None:
    raw, dark = write_raw(tmp_path, EVENTS.photons)
    given = {"calibration.dark_path": str(dark), "calibration.gain": 8.0}
    store = stills(raw, tmp_path / "raw.zarr", **given)
    table, expected = store.arrays("index"), done.arrays("index")
    assert np.array_equal(table["indexed"], EVENTS.is_hit)
    # 8 ADU a photon, 1 of noise and as much of the mean of eight darks: few photons differ by one
    assert np.abs(table["n_spots"] - expected["n_spots"]).max() <= 2
    for i in np.flatnonzero(EVENTS.is_hit):
        assert misorientation(table["a_matrix"][i], expected["a_matrix"][i], TETRAGONAL) < 0.02
    kept = read_calibration(store.path, "raw")
    assert kept is not None
    assert kept.n_dark == 8


def test_only_steps_after_a_change_are_run_again(run_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    before = ids(stills(run_file, path))
    assert ids(stills(run_file, path)) == before
    changes = {
        "merge": {"merging.min_partiality": 0.2},
        "integrate": {"integration.prediction.d_min": 5.0},
        "index": {"indexing.known_symmetry.unit_cell": (79.3, 79.3, 38.05, 90, 90, 90)},
        "hits": {"hits.min_peaks": 43},
        "find_spots": {"spotfinder.filter.min_spot_size": 3},
    }
    for first, change in changes.items():
        kept = STEPS[: STEPS.index(first)]
        now = ids(stills(run_file, path, **change))
        assert {s for s in STEPS if now[s] == before[s]} == set(kept), first
        fresh = stills(run_file, tmp_path / f"{first}.zarr", **change)
        assert_same_tables(Store.open(path), fresh)
        before = ids(stills(run_file, path))
    again = ids(stills(run_file, path, force=True))
    assert all(again[s] != before[s] for s in STEPS)


def test_a_better_geometry_renews_the_steps_after_hits(run_file: Path, tmp_path: Path) -> None:
    nearer = json.loads(geometry())
    for panel in nearer["panels"]:
        panel["origin"][2] += 1.0
    (tmp_path / "nearer.json").write_text(json.dumps(nearer))
    given = {"input.reference_geometry": str(tmp_path / "nearer.json")}
    limits = {"hits.d_min": 5.5, "hits.min_peaks": 3}
    before = ids(stills(run_file, tmp_path / "a.zarr", **limits))
    store = stills(run_file, tmp_path / "a.zarr", **limits, **given)
    now = ids(store)
    assert {s for s in STEPS if now[s] == before[s]} == {"find_spots", "hits"}
    for name in ("hit", "n_spots"):
        np.testing.assert_array_equal(store.arrays("hits")[name], store.arrays("index")[name])
    assert_same_tables(store, stills(run_file, tmp_path / "b.zarr", **limits, **given))


def test_dispatch_selects_the_steps(run_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    for last, left_out in (("hits", "index"), ("index", "integrate"), ("integrate", "merge")):
        store = stills(run_file, path, **{f"dispatch.{left_out}": False})
        there = [s for s in STEPS if store.has_step(s)]
        assert there[-1] == last
    assert_same_tables(stills(run_file, path), stills(run_file, tmp_path / "b.zarr"))


def test_a_store_is_processed_like_its_files(run_file: Path, done: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    stills(run_file, path, **{"dispatch.index": False})
    assert_same_tables(stills(path, None), done)


@pytest.mark.parametrize("change", [{"link": False}, {"link": False, "images_per_chunk": 3}])
def test_chunks_do_not_matter(
    run_file: Path, done: Store, tmp_path: Path, change: dict[str, Any]
) -> None:
    assert_same_tables(stills(run_file, tmp_path / "a.zarr", **change), done)


def test_runs_at_once_are_as_each_alone(run_file: Path, done: Store, tmp_path: Path) -> None:
    other = events("x.x", seed=50)
    second = write_run(tmp_path / "run_b.h5", other.photons, first=500)
    both = stills([run_file, second], tmp_path / "both.zarr")
    swapped = stills([second, run_file], tmp_path / "swapped.zarr")
    alone = {"run_a": done, "run_b": stills(second, tmp_path / "b.zarr")}
    for store in (both, swapped):
        assert [m.run for m in store.experiments("index").members] == list(store.runs)
        table, observed = store.arrays("integrate"), store.columns("integrate")
        for index, run in enumerate(store.runs):
            expected = alone[run].arrays("integrate")
            mine = table["experiment"] == index
            for name in set(expected) - {"experiment"}:
                np.testing.assert_array_equal(table[name][mine], expected[name], err_msg=name)
            expected = alone[run].columns("integrate")
            mine = observed["experiment"] == index
            for name in set(expected) - {"experiment"}:
                np.testing.assert_array_equal(observed[name][mine], expected[name], err_msg=name)
    assert len(both.arrays("merge")["scale"]) == 11


def test_no_cell_given(tmp_path: Path) -> None:
    many = events("x.xxx.xxx", seed=20)
    file = write_run(tmp_path / "a.h5", many.photons)
    blind = dict.fromkeys(KNOWN)
    store = stills(file, tmp_path / "a.zarr", **blind)
    row = store.table("index", "consensus").iloc[0]
    assert row["lattice"] == "tP"
    np.testing.assert_allclose([row["a"], row["c"]], [79.2, 38.0], rtol=0.005)
    assert np.array_equal(store.arrays("index")["indexed"], many.is_hit)


def test_a_damaged_event_is_a_row_among_the_problems(
    run_file: Path, done: Store, tmp_path: Path
) -> None:
    file = damaged(shutil.copy(run_file, tmp_path / "run_a.h5"), 3)
    for name, change in (("linked", {}), ("copied", {"link": False})):
        store = stills(file, tmp_path / f"{name}.zarr", **change)
        problems = store.show()["problems"]
        assert {(p["run"], p["image"]) for p in problems} == {("run_a", 4)}
        assert problems[0]["step"] == "find_spots"
        table, expected = store.arrays("index"), done.arrays("index")
        others = np.arange(8) != 3
        assert table["reason"][3] == Fate.UNREADABLE
        for column in expected:
            if column.startswith("additional"):
                continue
            np.testing.assert_array_equal(table[column][others], expected[column][others])


def test_threads_give_the_same(run_file: Path, done: Store, tmp_path: Path) -> None:
    given = {"cluster.kind": "threads", "cluster.cores": 2}
    assert_same_tables(stills(run_file, tmp_path / "a.zarr", **given), done)


@pytest.mark.slow
def test_processes_give_the_same(run_file: Path, done: Store, tmp_path: Path) -> None:
    given = {"cluster.kind": "local", "cluster.processes": 2}
    assert_same_tables(stills(run_file, tmp_path / "a.zarr", **given), done)


@pytest.mark.slow
def test_a_killed_worker_changes_nothing(run_file: Path, done: Store, tmp_path: Path) -> None:
    """The first worker with events to process dies: the other takes them over."""
    with (
        running_scheduler(tmp_path / "cluster") as scheduler,
        worker_killed(scheduler.address, FROM_FRAMES) as killed,
    ):
        given = {"cluster.kind": scheduler.address, "images_per_chunk": 1, "link": False}
        store = stills(run_file, tmp_path / "a.zarr", **given)
    assert killed
    assert_same_tables(store, done)


SCRIPT = """
import os, signal
from pathlib import Path
from typing import Any
from dxdask.parameters.assignments import flatten, with_assignments
from dxdask.pipeline.stills.process import stills_process
from dxdask.pipeline.stills.parameters import StillsProcessParameters
from dxdask.pipeline import commit
whole = commit.commit_step
def dying(root, branch, step, *others, **more):
    if step == "integrate":
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(root, branch, step, *others, **more)
commit.commit_step = dying
p = with_assignments(StillsProcessParameters(), flatten({given}))
stills_process([{file!r}], {path!r}, p, lambda *_: None)
"""


@pytest.mark.slow
def test_a_killed_process_is_resumed(run_file: Path, done: Store, tmp_path: Path) -> None:
    path, given = tmp_path / "a.zarr", {**SPOTS, **KNOWN}
    script = SCRIPT.format(given=given, file=str(run_file), path=str(path))
    assert python(script).returncode == -signal.SIGKILL
    store = Store.open(path)
    assert [s for s in STEPS if store.has_step(s)] == ["find_spots", "hits", "index"]
    before = store.step_attributes("index")["id"]
    assert_same_tables(stills(run_file, path), done)
    assert store.step_attributes("index")["id"] == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "8 events, 5 hits (62.5 %), 5 indexed (100.0 % of them)"),
        (dict.fromkeys(KNOWN), "8 events, 5 hits (62.5 %), 5 indexed (100.0 % of them)"),
        ({"dispatch.index": False}, "8 events, 5 hits (62.5 %)"),
    ],
)
def test_the_rates_are_shown_on_the_way(
    run_file: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: dict[str, Any],
    message: str,
) -> None:
    with caplog.at_level(logging.INFO, logger="dxdask"):
        stills(run_file, tmp_path / "a.zarr", **change)
    assert f"stills_process: {message}" in [r.getMessage() for r in caplog.records]
