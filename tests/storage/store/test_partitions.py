"""Partitions of runs: written by tasks, committed together, kept, found again after a stop."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from support.store_examples import assert_same, edit, experiments, reflections, result

from dxdask.errors import InputError, SchemaError, StoreNotFoundError
from dxdask.results import StepResult
from dxdask.storage.store import layout
from dxdask.storage.store.commit import commit_step
from dxdask.storage.store.partitions import Partition, found_partition, write_partition
from dxdask.storage.store.store import Store
from dxdask.tables import Table

COMMON: dict[str, Any] = {"fingerprint": "whole", "parameters": {"n": 1}, "seconds": {"wall": 1.0}}


def of_run(run: str, seed: int = 0, n: int = 10) -> StepResult:
    """Return spots of one run, with their pixels."""
    offsets = np.concatenate([[0], np.cumsum(np.arange(n) % 3 + 1)])
    return StepResult(
        experiments=experiments(run),
        reflections=reflections(1, n=n, seed=seed),
        arrays={
            "pixel_offsets": offsets,
            "pixel_value": np.arange(offsets[-1], dtype=np.int32) + seed,
            "hot_mask": np.full((5, 7), bool(seed % 2)),
        },
        tables=(Table(name="runs", title="Runs", rows=[{"run": run, "n": n}]),),
        messages=("same line", f"line of {run}"),
        problems=({"run": run, "image": 1, "step": "find_spots", "reason": "dark"},),
    )


def written(store: Store, run: str, seed: int = 0, **others: Any) -> Partition:
    given: Mapping[str, Any] = {
        "run": run, "fingerprint": f"{seed:064x}"[::-1], "parameters": {"n": 1}
    }  # fmt: skip
    return write_partition(
        store.path, store.branch, "find_spots", of_run(run, seed), **{**given, **others}
    )


def committed(store: Store, partitions: list[Partition], **others: Any) -> str:
    arguments = {"result": None, **COMMON, **others}
    with store.writing():
        return commit_step(store.path, store.branch, "find_spots", partitions, **arguments)


def test_partition_is_small_and_picklable(store: Store) -> None:
    partition = written(store, "a")
    assert pickle.loads(pickle.dumps(partition)) == partition
    assert (partition.n_reflections, partition.run) == (10, "a")
    assert partition.columns == tuple(of_run("a").reflections)
    assert partition.experiments == experiments("a")
    assert not store.has_step("find_spots")


def test_runs_are_put_together(store: Store) -> None:
    runs = ("b", "a")
    step_id = committed(store, [written(store, run, seed) for seed, run in enumerate(runs)])
    found = store.read_step("find_spots")
    a, b = of_run("a", 1), of_run("b", 0)
    assert store.manifest("find_spots").id == step_id
    assert found.experiments.runs == runs
    np.testing.assert_array_equal(found.reflections["experiment"], [0] * 10 + [1] * 10)
    np.testing.assert_array_equal(
        found.reflections["x"], np.concatenate([b.reflections["x"], a.reflections["x"]])
    )
    np.testing.assert_array_equal(np.diff(found.arrays["pixel_offsets"]), [*[1, 2, 3] * 3, 1] * 2)
    np.testing.assert_array_equal(
        found.arrays["pixel_value"],
        np.concatenate([b.arrays["pixel_value"], a.arrays["pixel_value"]]),
    )
    np.testing.assert_array_equal(
        found.arrays["hot_mask"], [b.arrays["hot_mask"], a.arrays["hot_mask"]]
    )
    assert found.table("runs").rows == [{"run": "b", "n": 10}, {"run": "a", "n": 10}]
    assert found.messages == ("same line", "line of b", "line of a")
    assert [p["run"] for p in found.problems] == ["b", "a"]


def test_one_run_comes_back_as_it_was(store: Store) -> None:
    committed(store, [written(store, "a"), written(store, "b", 1)])
    assert_same(store.read_step("find_spots", run="b"), of_run("b", 1))
    assert store.experiments("find_spots", run="b") == experiments("b")
    assert (store.columns("find_spots", ["experiment"], run="b")["experiment"] == 1).all()
    value = store.arrays("find_spots", ["pixel_value"], run="b")["pixel_value"]
    np.testing.assert_array_equal(value, of_run("b", 1).arrays["pixel_value"])
    for read in (store.read_step, store.arrays, store.experiments, store.columns):
        with pytest.raises(StoreNotFoundError, match="run 'c'"):
            read("find_spots", run="c")


def test_only_the_partition_of_a_run_is_read(store: Store) -> None:
    committed(store, [written(store, "a"), written(store, "b", 1)])
    edit(store.path / "results/main/find_spots/runs/a/x", lambda m: m.clear())
    assert len(store.columns("find_spots", run="b")["x"]) == 10
    with pytest.raises(SchemaError):
        store.columns("find_spots", ["x"])


def test_an_interrupted_job_leaves_its_partitions(store: Store) -> None:
    one = written(store, "a")
    with store.writing():
        assert found_partition(store.path, "main", "find_spots", "a", one.fingerprint) == one
    assert found_partition(store.path, "main", "find_spots", "a", "f" * 64) is None
    assert found_partition(store.path, "main", "find_spots", "b", one.fingerprint) is None
    near = f"{one.fingerprint[:16]}{'e' * 48}"
    assert found_partition(store.path, "main", "find_spots", "a", near) is None
    committed(store, [one])
    assert found_partition(store.path, "main", "find_spots", "a", one.fingerprint) is None


def test_a_partition_written_twice_is_there_once(store: Store) -> None:
    first, second = written(store, "a"), written(store, "a")
    committed(store, [first])
    assert_same(store.read_step("find_spots", run="a"), of_run("a"))
    assert first.fingerprint == second.fingerprint


def test_other_runs_are_kept_as_they_are(store: Store) -> None:
    committed(store, [written(store, "a"), written(store, "b", 1), written(store, "c", 2)])
    before = store.manifest("find_spots")
    file = store.path / "results/main/find_spots/runs/a/x/c/0"
    inode = file.stat().st_ino
    committed(store, [written(store, "b", 5)], kept=["a"])
    after = store.manifest("find_spots")
    assert list(after.runs) == ["a", "b"]
    assert after.runs["a"] == before.runs["a"]
    assert file.stat().st_ino == inode
    assert_same(store.read_step("find_spots", run="a"), of_run("a"))
    assert_same(store.read_step("find_spots", run="b"), of_run("b", 5))
    assert store.messages("find_spots") == ("same line", "line of a", "line of b")
    with pytest.raises(StoreNotFoundError, match="no partition of c to keep; it has a, b"):
        committed(store, [], kept=["c"])


def test_files_are_copied_where_they_cannot_be_linked(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dxdask.storage.store import disk

    def refused(source: str, target: Path) -> None:
        raise OSError("no hard links")

    committed(store, [written(store, "a")])
    monkeypatch.setattr(disk.os, "link", refused)
    committed(store, [written(store, "b", 1)], kept=["a"])
    assert_same(store.read_step("find_spots", run="a"), of_run("a"))


def test_arrays_of_the_ensemble_stand_beside_the_runs(store: Store) -> None:
    parts = [written(store, "a"), written(store, "b", 1)]
    given = replace(result(runs=("b", "a")), reflections={}, arrays={"bin_centres": np.arange(3.0)})
    committed(store, parts, result=given)
    found = store.read_step("find_spots")
    assert found.experiments == given.experiments
    assert list(store.manifest("find_spots").runs) == ["b", "a"]
    assert found.messages == given.messages
    np.testing.assert_array_equal(found.arrays["bin_centres"], np.arange(3.0))
    assert len(found.reflections["x"]) == 20
    parts = [written(store, "a"), written(store, "b", 1)]
    with pytest.raises(SchemaError, match="experiments are of runs a and the partitions of a, b"):
        committed(store, parts, result=replace(given, experiments=experiments("a")))


def test_partitions_that_do_not_fit_together_are_refused(store: Store) -> None:
    one = written(store, "a")
    with pytest.raises(InputError, match="two partitions"):
        committed(store, [one, one])
    with pytest.raises(SchemaError, match="has experiments of b; give each run its own"):
        write_partition(
            store.path, "main", "find_spots", of_run("b"), run="a", fingerprint="f", parameters={}
        )
    table = {k: v for k, v in of_run("b").reflections.items() if k != "hkl"}
    other = write_partition(
        store.path, "main", "find_spots", replace(of_run("b"), reflections=table),
        run="b", fingerprint="f", parameters={},
    )  # fmt: skip
    with pytest.raises(SchemaError, match="of a and b differ in columns hkl"):
        committed(store, [one, other])
    committed(store, [one])
    with pytest.raises(SchemaError, match="partition of run 'a' of find_spots is not at"):
        committed(store, [one])


def test_parameters_of_a_run_that_differ_are_kept(store: Store) -> None:
    parts = [written(store, "a"), written(store, "b", 1, parameters={"n": 2})]
    committed(store, parts)
    manifest = store.manifest("find_spots")
    assert manifest.runs["a"].parameters is None
    assert manifest.runs["b"].parameters == {"n": 2}
    assert store.partition_fingerprint("find_spots", "b") == parts[1].fingerprint
    assert store.partition_fingerprint("find_spots", "c") is None
    assert store.partition_fingerprint("index", "a") is None


def test_runs_without_rows(store: Store) -> None:
    nothing = replace(of_run("b"), reflections={}, arrays={})
    empty = write_partition(
        store.path, "main", "find_spots", nothing, run="b", fingerprint="f", parameters={}
    )
    committed(store, [empty])
    assert store.columns("find_spots") == {}
    empty = write_partition(
        store.path, "main", "find_spots", nothing, run="b", fingerprint="f", parameters={}
    )
    committed(store, [empty, written(store, "a")])
    assert len(store.columns("find_spots")["x"]) == 10
    assert len(store.columns("find_spots", run="b")["x"]) == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.pop("runs"),
        lambda a: a["runs"].update({"../../x": a["runs"]["a"]}),
        lambda a: a["runs"]["a"].update(n_reflections=-1),
        lambda a: a["runs"]["a"].update(n_reflections=9),
        lambda a: a.update(columns=3),
        lambda a: a["ensemble"].update(arrays=["../x"]),
    ],
)
def test_a_damaged_manifest_is_named(store: Store, change: Any) -> None:
    committed(store, [written(store, "a")])
    edit(store.path / "results/main/find_spots", lambda m: change(m["attributes"]))
    with pytest.raises(SchemaError, match=r"manifest of .*find_spots is damaged"):
        store.columns("find_spots")


def test_every_group_opens_in_xarray(store: Store) -> None:
    """Of a store with a branch, a history, and a partition that is not committed yet."""
    committed(store, [written(store, "a"), written(store, "b", 1)])
    committed(store.on_branch("tight"), [written(store.on_branch("tight"), "b", 2)], kept=["a"])
    waiting = written(store, "b", 3)
    tree = xr.open_datatree(store.path, engine="zarr", consolidated=False)
    path = layout.partition_path(store.path, "main", "find_spots", "b", waiting.fingerprint)
    for group in (
        "results/main/find_spots/runs/a",
        "results/tight/find_spots/runs/b",
        str(path.relative_to(store.path)),
    ):
        assert tree[group]["x"].attrs["units"] == "px"
        assert tree[f"{group}/arrays"]["pixel_value"].values.size
    for node in tree.subtree:
        node.load()


def test_rubbish_of_dead_tasks_is_cleared(store: Store) -> None:
    one = written(store, "a")
    path = layout.partition_path(store.path, "main", "find_spots", "a", one.fingerprint)
    half = path.with_name("a-0000.partial")
    half.mkdir()
    with store.writing():
        assert not half.exists()
        assert path.is_dir()
