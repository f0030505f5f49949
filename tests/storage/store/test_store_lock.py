from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading

import pytest
from support.paths import ROOT
from support.store_examples import assert_same, frames, result, write_run

from dxdask.errors import StoreLockedError
from dxdask.storage.store import layout
from dxdask.storage.store.store import Store

HOLD = """
import sys, time
from dxdask.storage.store.store import Store
with Store.open(sys.argv[1]).writing():
    print("held", flush=True)
    time.sleep(60)
"""

# stops within a step: at a given call of a given function, then the parent kills it
STOP = """
import sys, time
sys.path.insert(0, sys.argv[2])
from support.store_examples import result
from dxdask.storage.store import create, swap
from dxdask.storage.store.store import Store
module, name = {"array": (create, "array"), "rename": (swap.os, "rename")}[sys.argv[3]]
real, calls = getattr(module, name), []
def stop(*args, **others):
    calls.append(1)
    if len(calls) == int(sys.argv[4]):
        print("held", flush=True)
        time.sleep(60)
    return real(*args, **others)
setattr(module, name, stop)
Store.open(sys.argv[1]).write_step("index", result(2))
"""


def started(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def killed(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_second_process_is_refused_and_a_dead_one_holds_nothing(store: Store) -> None:
    write_run(store, "run1", frames())
    process = started(HOLD, store.path)
    try:
        with pytest.raises(StoreLockedError, match=f"written to by process {process.pid} on "):
            store.write_step("index", result())
        with pytest.raises(StoreLockedError, match="wait until it is done"):
            Store.create(store.path, overwrite=True)
        assert store.runs == ("run1",)
        assert store.show()["steps"] == {}
    finally:
        killed(process)
    store.write_step("index", result())
    assert_same(store.read_step("index"), result())


def test_second_store_in_the_process_is_refused(store: Store) -> None:
    other = Store.open(store.path)
    with store.writing():
        with pytest.raises(StoreLockedError, match=f"process {os.getpid()}"), other.writing():
            pass
        store.write_step("index", result())
        with store.writing():
            store.write_step("refine", result())
        with pytest.raises(StoreLockedError), other.writing():
            pass
    with other.writing():
        other.write_step("index", result(1))


def test_lock_is_let_go_on_errors(store: Store) -> None:
    with pytest.raises(RuntimeError, match="stop"), store.writing():
        raise RuntimeError("stop")
    with Store.open(store.path).writing():
        pass


def test_threads_share_a_store(store: Store) -> None:
    steps = ("find_spots", "index", "refine", "histogram")
    with store.writing():
        threads = [threading.Thread(target=store.write_step, args=(s, result())) for s in steps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert set(store.show()["steps"]) == set(steps)
    assert len(store.history()) == 4


def test_lost_lock_file_is_made_again(store: Store) -> None:
    store.write_step("index", result())
    shutil.rmtree(layout.lock_path(store.path, "main"))
    store.write_step("index", result())


@pytest.mark.parametrize(("where", "call"), [("array", 3), ("rename", 1), ("rename", 2)])
def test_killed_within_a_step(store: Store, where: str, call: int) -> None:
    store.write_step("find_spots", result(5))
    store.write_step("index", result(1))
    killed(started(STOP, store.path, ROOT / "tests", where, call))
    again = Store.open(store.path)
    assert_same(again.read_step("index"), result(1))
    assert_same(again.read_step("find_spots"), result(5))
    assert list(again.show()["steps"]) == ["find_spots", "index"]
    with again.writing():
        folders = (again.path / layout.STAGING, again.path / layout.REPLACED)
        assert not [p for f in folders for p in f.glob("*/*") if p.is_dir()]
    assert_same(again.read_step("index"), result(1))
    again.write_step("index", result(3))
    assert_same(again.read_step("index"), result(3))
    assert len(again.history()) == 3


def test_killed_after_the_swap(store: Store) -> None:
    store.write_step("index", result(1))
    killed(started(STOP, store.path, ROOT / "tests", "rename", 3))
    assert_same(store.read_step("index"), result(2))
    assert len(store.history()) == 2
    store.write_step("index", result(3))
    assert len(store.history()) == 3
