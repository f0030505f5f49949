"""Processes that are killed: what was complete is there, and resuming gives the same result."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from support.ensemble_example import N_IMAGES, QUICK, STEPS, assert_same, python, start, words
from support.schedulers import running_scheduler, worker_killed

import dxdask
from dxdask.storage.store.store import Store

# Kills itself in the middle of what it does for the `nth` time; `{when}` is code that patches it.
SCRIPT = """
import os, signal
import dxdask
from dxdask.storage.store import commit, run_writer, swap

def dies(module, name, nth, match=lambda *args: True):
    function, calls = getattr(module, name), []
    def call(*args, **others):
        if match(*args):
            calls.append(name)
        if len(calls) == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **others)
    setattr(module, name, call)

{when}
dxdask.process({raw}, {path!r}, show=dxdask.quiet, **{parameters})
"""
MOMENTS = {
    # between the file of a chunk and its flag; tuples of name: (code, steps complete)
    "import": ("dies(run_writer, '_write_file', 41)", ()),
    # a chunk is written aside and not yet in its place
    "chunk": ("dies(run_writer.os, 'replace', 41, lambda a, b: '/frames/c/' in str(b))", ()),
    "spots": ("dies(commit, 'fill', 1)", ()),
    "spots_swap": ("dies(swap, '_swap', 1)", ()),
    "index": ("dies(swap, '_swap', 1, lambda root, branch, step, staged: step == 'index')",
              ("find_spots",)),
    "integrate": ("dies(commit, 'fill', 1, lambda folder, *_: 'integrate' in str(folder))",
                  ("find_spots", "index", "refine")),
}  # fmt: skip
SLOW = ("import", "spots", "spots_swap", "index")


@pytest.mark.parametrize(
    "moment",
    [pytest.param(m, marks=pytest.mark.slow if m in SLOW else ()) for m in MOMENTS],
)
def test_killed_and_run_again(
    raw: list[Path], processed: Store, tmp_path: Path, moment: str
) -> None:
    code, complete = MOMENTS[moment]
    path = tmp_path / "a.zarr"
    script = SCRIPT.format(when=code, raw=[str(f) for f in raw], path=str(path), parameters=QUICK)
    killed = python(script)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    store = dxdask.open(path)
    for step in complete:
        assert store.has_step(step)
    assert not store.has_step({"spots_swap": "find_spots"}.get(moment, "integrate"))
    before = {n: store.step_attributes(n)["id"] for n in complete}
    dxdask.process(raw, path, show=dxdask.quiet, **QUICK)
    assert {n: store.step_attributes(n)["id"] for n in complete} == before
    assert_same(processed, store)
    assert not list((path / ".dxdask" / "staging").glob("*/*/"))
    assert not list(path.rglob("*.partial"))


@pytest.mark.slow
def test_killed_while_a_step_is_replaced_the_old_one_stays(
    processed: Store, raw: list[Path], tmp_path: Path
) -> None:
    path = tmp_path / "a.zarr"
    store = dxdask.process(raw, path, show=dxdask.quiet, **QUICK)
    before = store.step_attributes("merge")["id"]
    # dies after the old version is moved away and before the new one is in its place
    script = f"""
import os, signal, dxdask
from dxdask.storage.store import swap
rename = os.rename
def dying(a, b):
    rename(a, b)
    if str(b).endswith("replaced/main/merge"):
        os.kill(os.getpid(), signal.SIGKILL)
swap.os.rename = dying
dxdask.merge({str(path)!r}, show=dxdask.quiet, force=True)
"""
    assert python(script).returncode == -signal.SIGKILL
    assert store.step_attributes("merge")["id"] == before
    assert_same(processed, store)
    dxdask.merge(store, show=dxdask.quiet, force=True)
    assert store.step_attributes("merge")["id"] != before
    assert_same(processed, store)


@pytest.mark.slow
def test_a_worker_is_killed(raw: list[Path], processed: Store, tmp_path: Path) -> None:
    """The worker that indexes dies, and with it the spots it holds: they are found again."""
    path = tmp_path / "a.zarr"
    with (
        running_scheduler(tmp_path / "cluster") as scheduler,
        worker_killed(scheduler.address, "_index") as killed,
    ):
        store = dxdask.process(raw, path, show=dxdask.quiet, cluster=scheduler.address, **QUICK)
    assert killed
    assert_same(processed, store)
    assert len(store.runs) == len(raw)
    assert store.frames("tiny_1").shape[0] == N_IMAGES
    assert not list(path.glob("runs/*/done"))


def test_interrupted_from_the_keyboard(raw: list[Path], processed: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    process = start("process", *raw, "-o", path, *words(QUICK))
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("find_spots"):
            process.send_signal(signal.SIGINT)
            break
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert errors == "dxdask: stopped; what was complete is in the store, run again to resume\n"
    store = dxdask.open(path)
    assert store.has_step("find_spots")
    assert not store.has_step("merge")
    before = store.step_attributes("find_spots")["id"]
    dxdask.process(raw, path, show=dxdask.quiet, **QUICK)
    assert store.step_attributes("find_spots")["id"] == before
    assert list(store.show()["steps"]) == sorted(store.show()["steps"], key=_order)
    assert_same(processed, store)


def _order(step: str) -> int:
    named = [s for s in STEPS if s not in ("calibrate_detector", "histogram", "linearity")]
    return named.index(step) if step in named else len(named)
