"""Jobs that are killed while they commit partitions, and disks that are full then."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from support.paths import ROOT
from support.store_examples import assert_same, result

from dxdask.errors import StoreWriteError
from dxdask.storage.store import disk, layout, swap
from dxdask.storage.store.commit import commit_step
from dxdask.storage.store.partitions import Partition, found_partition, write_partition
from dxdask.storage.store.store import Store

BRANCH = "tight"
RUNS = ("a", "b", "c")

# Stops at the given call of a function; the parent then kills it.
COMMIT = """
import sys, time
sys.path.insert(0, sys.argv[2])
sys.path.insert(0, sys.argv[2] + "/storage/store")
from dxdask.storage.store import commit, create, disk, swap
from dxdask.storage.store.store import Store
from test_partitions_killed import committed, found
module, name = {"rename": (swap.os, "rename"), "array": (create, "array"),
                "link": (disk.os, "link"), "update": (create, "update")}[sys.argv[3]]
real, calls = getattr(module, name), []
def stop(*args, **others):
    calls.append(1)
    if len(calls) == int(sys.argv[4]):
        print("held", flush=True)
        time.sleep(60)
    return real(*args, **others)
store = Store.open(sys.argv[1], branch="tight")
partitions = found(store)
setattr(module, name, stop)
committed(store, partitions, kept=["a"])
"""


def print_of(run: str, seed: int) -> str:
    return f"{seed}{ord(run):x}".ljust(64, "0")


def written(store: Store, run: str, seed: int) -> Partition:
    return write_partition(
        store.path, BRANCH, "index", result(seed, (run,)), run=run,
        fingerprint=print_of(run, seed), parameters={"seed": seed},
    )  # fmt: skip


def found(store: Store) -> list[Partition]:
    """Return the partitions of runs b and c that wait to be committed."""
    new = [found_partition(store.path, BRANCH, "index", run, print_of(run, 2)) for run in "bc"]
    return [partition for partition in new if partition is not None]


def committed(store: Store, partitions: list[Partition], kept: list[str]) -> None:
    with store.writing():
        commit_step(
            store.path, BRANCH, "index", partitions, kept=kept, result=None,
            fingerprint="f", parameters={"seed": 2}, seconds={},
        )  # fmt: skip


@pytest.fixture
def branch(store: Store) -> Store:
    """A branch with the runs a, b and c, and new partitions of b and c that are not committed."""
    store.write_step("index", result(7, RUNS))
    other = store.on_branch(BRANCH)
    committed(other, [written(other, run, 1) for run in RUNS], kept=[])
    for run in "bc":
        written(other, run, 2)
    return other


def assert_as_before(branch: Store) -> None:
    for run in RUNS:
        assert_same(branch.read_step("index", run=run), result(1, (run,)))
    assert branch.read_step("index").experiments.runs == RUNS
    assert_same(branch.on_branch("main").read_step("index"), result(7, RUNS))


def assert_can_be_committed(branch: Store) -> None:
    partitions = found(branch)
    assert [p.run for p in partitions] == ["b", "c"]
    committed(branch, partitions, kept=["a"])
    assert_same(branch.read_step("index", run="a"), result(1, ("a",)))
    for run in "bc":
        assert_same(branch.read_step("index", run=run), result(2, (run,)))
    assert not list((branch.path / layout.STAGING).glob("*/*/"))
    assert not list((branch.path / layout.REPLACED).glob("*/*/"))
    assert not list((branch.path / layout.PARTITIONS).glob("*/*/*/"))


@pytest.mark.parametrize(
    ("where", "call"),
    [("link", 1), ("link", 20), ("rename", 1), ("rename", 2), ("rename", 3), ("rename", 4),
     ("update", 1)],
)  # fmt: skip
def test_killed_within_a_commit(branch: Store, where: str, call: int) -> None:
    command = [sys.executable, "-c", COMMIT, branch.path, ROOT / "tests", where, call]
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert_as_before(branch)
    with branch.writing():
        assert_as_before(branch)
    assert_can_be_committed(branch)


def test_killed_after_the_swap_of_a_commit(branch: Store) -> None:
    command = [sys.executable, "-c", COMMIT, branch.path, ROOT / "tests", "rename", 5]
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with branch.writing():
        for run in "bc":
            assert_same(branch.read_step("index", run=run), result(2, (run,)))
    assert [e["branch"] for e in branch.history()] == ["main", BRANCH, BRANCH]


@pytest.mark.parametrize("failing", ["link_tree", "rename", "update"])
def test_a_full_disk_leaves_all_as_it_was(
    branch: Store, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    module: Any = {"link_tree": swap, "rename": swap.os, "update": swap.create}[failing]
    partitions = found(branch)
    with branch.writing():
        monkeypatch.setattr(module, failing, full)
        with pytest.raises(StoreWriteError, match=r"cannot write index .*No space left.*intact"):
            committed(branch, partitions, kept=["a"])
        monkeypatch.undo()
    assert_as_before(branch)
    assert_can_be_committed(branch)


def test_a_link_half_way_is_a_full_disk(branch: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither links nor copies are possible."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk.os, "link", full)
    monkeypatch.setattr(disk.shutil, "copy2", full)
    with pytest.raises(StoreWriteError, match="No space left"):
        committed(branch, found(branch), kept=["a"])
    monkeypatch.undo()
    assert_as_before(branch)
    assert_can_be_committed(branch)
