"""Single steps on what a store holds of stills: `dxdask hits` and `dxdask postrefine`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.still_runs import SPOTS, STEPS, assert_same_tables, events, ids, stills, write_run

import dxdask
from dxdask.cli.main import run
from dxdask.errors import InputError, ParameterError, StoreNotFoundError
from dxdask.pipeline.step_functions import StepFunction
from dxdask.storage.store.store import Store


@pytest.fixture(scope="module")
def run_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("events") / "run_a.h5", events("x.xx").photons)


def step(path: Path, command: str, **given: Any) -> Store:
    return StepFunction(command)(path, cluster="synchronous", **given)


def test_they_are_as_in_the_whole_job(run_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    before = ids(stills(run_file, path))
    assert ids(step(path, "hits")) == ids(step(path, "postrefine")) == before
    change = {"merging.min_partiality": 0.3}
    now = ids(step(path, "postrefine", **change))
    assert {name for name in STEPS if now[name] != before[name]} == {"merge"}
    whole = stills(run_file, tmp_path / "b.zarr", **change)
    assert_same_tables(Store.open(path), whole, ("merge",))
    # and the whole job finds it done
    assert ids(stills(run_file, path, **change)) == now


def test_hits_by_spots_that_are_there(run_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    store = stills(run_file, path, **{"dispatch.index": False})
    spots = store.step_attributes("find_spots")["id"]
    most = int(store.arrays("hits")["n_spots"].max())
    assert int(step(path, "hits", **{"hits.min_peaks": most}).arrays("hits")["hit"].sum()) == 1
    assert store.step_attributes("find_spots")["id"] == spots
    whole = stills(
        run_file, tmp_path / "b.zarr", **{"dispatch.index": False, "hits.min_peaks": most}
    )
    assert_same_tables(store, whole, ("find_spots", "hits"))


def test_hits_finds_no_peaks_again(run_file: Path, tmp_path: Path) -> None:
    path, peaks = tmp_path / "a.zarr", {"hits.method": "peakfinder8"}
    stills(run_file, path, **{"dispatch.index": False})
    with pytest.raises(ParameterError, match=r"does not hold the peaks that hits\.method=peak"):
        step(path, "hits", **peaks)
    whole = stills(run_file, path, **{"dispatch.index": False}, **peaks)
    n_spots = whole.arrays("hits")["n_spots"]
    best = {"hits.min_peaks": int(n_spots.max())}
    again = step(path, "hits", **peaks, **best)
    assert int(again.arrays("hits")["hit"].sum()) == 1
    made = again.step_attributes("find_spots")["id"]
    whole = stills(run_file, path, **{"dispatch.index": False}, **peaks, **best)
    assert whole.step_attributes("find_spots")["id"] == made
    with pytest.raises(ParameterError, match="give these parameters to: dxdask stills_process"):
        step(path, "hits", **peaks, **{"hits.peakfinder8.min_snr": 9.0})


def test_from_python(run_file: Path, tmp_path: Path) -> None:
    path = stills(run_file, tmp_path / "a.zarr").path
    given = {"cluster": "synchronous", "show": dxdask.quiet}
    assert dxdask.hits(path, min_peaks=1, **given).arrays("hits")["hit"].sum() == 3
    dxdask.hits(path, **given)
    assert dxdask.postrefine(path, min_partiality=0.3, **given).has_step("merge")
    with pytest.raises(ParameterError, match="unit_cell"):
        dxdask.hits(path, unit_cell="1 2 3 4 5 6")


def test_a_missing_earlier_step_is_named(run_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    stills(run_file, path, **{"dispatch.index": False})
    with pytest.raises(StoreNotFoundError, match="holds no complete integrate; run: dxdask integ"):
        step(path, "postrefine")
    stills(run_file, path)
    step(path, "hits", **{"hits.min_peaks": 45})
    with pytest.raises(
        InputError,
        match=r"made from other input than is there now \(index is stale\).*dxdask index",
    ):
        step(path, "postrefine")
    empty = Store.create(tmp_path / "empty.zarr").path
    with pytest.raises(StoreNotFoundError, match="holds no complete run"):
        step(empty, "hits")


def test_the_commands(run_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(stills(run_file, tmp_path / "a.zarr").path)
    assert run(["hits", path, "min_peaks=1", "cluster=synchronous", "--json"]) == 0
    tables = json.loads(capsys.readouterr().out)["steps"]["hits"]["tables"]
    assert [row["hit"] for row in tables["events"]] == [True, False, True, True]
    assert run(["hits", path, "cluster=synchronous"]) == 0
    assert "3 of 4 events are hits" in capsys.readouterr().out
    assert run(["postrefine", path, "min_partiality=0.3", "cluster=synchronous"]) == 0
    assert "Merging statistics" in capsys.readouterr().out
    assert run(["hits", path, "unit_cell=1,2,3,4,5,6"]) == 2
    assert run(["postrefine", "-c"]) == 0
    shown = capsys.readouterr().out
    assert "min_partiality" in shown
    assert "unit_cell" not in shown


def test_the_whole_job_as_a_command(
    run_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.zarr"
    words = [f"{name}={value}" for name, value in (SPOTS | {"follow_interval": 0.05}).items()]
    cell = [
        "indexing.known_symmetry.unit_cell=79.2,79.2,38,90,90,90",
        "indexing.known_symmetry.space_group=P43212",
    ]
    follow = ["follow=true", "follow_timeout=0.2"]
    assert run(["stills_process", str(run_file), "-o", str(path), *words, *cell, *follow]) == 0
    printed = capsys.readouterr()
    # no bar in a pipe
    assert printed.err == ""
    for text in (
        "4 events: 3 hits (75.0 %), 3 indexed",
        "Hits, over the run",
        "Merging statistics:",
    ):
        assert printed.out.count(text) == 1
    assert (
        "stills_process: 4 events, 3 hits (75.0 %), 3 indexed"
        in path.with_suffix(".log").read_text()
    )
    assert run(["show", str(path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    rows = shown["steps"]["index"]["tables"]["stills"]
    assert [row["indexed"] for row in rows] == [True, False, True, True]
    assert run(["stills_process", str(tmp_path / "none.h5"), "-o", str(tmp_path / "b.zarr")]) == 1
    assert "there is no file" in capsys.readouterr().err
