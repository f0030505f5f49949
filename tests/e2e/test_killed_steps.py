"""Steps and exports killed while they write, workers while they compute: the same in the end."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from support.ensemble_example import assert_same, python
from support.schedulers import running_scheduler, worker_killed

import dxdask
from dxdask.storage.store.store import Store

pytestmark = pytest.mark.slow

AFTER = {
    "integrate": ("integrate", "scale", "merge"),
    "symmetry": ("symmetry", "scale", "merge"),
    "scale": ("scale", "merge"),
    "merge": ("merge",),
}
"""Steps that are made again after each."""

# The process kills itself when a function has been called for the `nth` time.
DYING = """
import os, signal
import dxdask
from dxdask.storage.store import commit, partitions
from dxdask.storage.exporters import whole_file

def dies(module, name, nth):
    function, calls = getattr(module, name), []
    def call(*args, **others):
        result = function(*args, **others)
        calls.append(name)
        if len(calls) == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(module, name, call)

"""
MOMENTS = {
    "integrate": "dies(partitions, 'fill', 2)",  # two of three runs are written
    "symmetry": "dies(commit, 'fill', 1)",  # all is written, and not in its place
    "scale": "dies(commit, 'fill', 1)",
    "merge": "dies(commit, 'fill', 1)",
}


@pytest.fixture(scope="module")
def undisturbed(processed: Store, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return the processed runs, with `symmetry` and what follows from it."""
    path = shutil.copytree(processed.path, tmp_path_factory.mktemp("undisturbed") / "a.zarr")
    store = dxdask.open(path)
    make(store, AFTER["symmetry"])
    return store


def make(store: Store, steps: tuple[str, ...], **others: object) -> None:
    for step in steps:
        getattr(dxdask, step)(store, show=dxdask.quiet, **others)


@pytest.mark.parametrize("step", MOMENTS)
def test_a_step_is_killed_while_it_writes(undisturbed: Store, tmp_path: Path, step: str) -> None:
    path = shutil.copytree(undisturbed.path, tmp_path / "a.zarr")
    store = dxdask.open(path)
    before = {name: store.step_attributes(name)["id"] for name in ("refine", *AFTER[step])}
    script = f"{DYING}{MOMENTS[step]}\ndxdask.{step}({str(path)!r}, show=dxdask.quiet, force=True)"
    killed = python(script)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    # the result that was to be replaced is there, whole
    assert {name: store.step_attributes(name)["id"] for name in before} == before
    assert_same(undisturbed, store, (step,))
    make(store, AFTER[step], force=True)
    after = {name: store.step_attributes(name)["id"] for name in before}
    assert after["refine"] == before["refine"]
    assert after[step] != before[step]
    assert_same(undisturbed, store, AFTER[step])
    assert not list((path / ".dxdask" / "staging").glob("*/*/"))


@pytest.mark.parametrize(
    ("step", "task"), [("integrate", "_finish"), ("scale", "scale"), ("merge", "merge")]
)
def test_a_worker_is_killed(undisturbed: Store, tmp_path: Path, step: str, task: str) -> None:
    """The worker dies that works on the step; another one does it again."""
    store = dxdask.open(shutil.copytree(undisturbed.path, tmp_path / "a.zarr"))
    before = store.step_attributes(step)["id"]
    with (
        running_scheduler(tmp_path / "cluster") as scheduler,
        worker_killed(scheduler.address, task) as killed,
    ):
        make(store, (step,), force=True, cluster=scheduler.address)
    assert killed
    assert store.step_attributes(step)["id"] != before
    assert_same(undisturbed, store, (step,))


def test_an_export_is_killed(processed: Store, tmp_path: Path) -> None:
    """The file that was there stays until the new one is whole."""
    out, same = tmp_path / "a.mtz", tmp_path / "b.mtz"
    out.write_text("before")
    script = (
        f"{DYING}Path = whole_file.Path\n"
        "original = Path.replace\n"
        "Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"dxdask.export({str(processed.path)!r}, output={str(out)!r})"
    )
    killed = python(script)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert out.read_text() == "before"
    for path in (out, same):
        dxdask.export(processed, output=str(path))
    assert out.read_bytes() == same.read_bytes()
