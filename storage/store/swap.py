"""A prepared result in the place of the previous one, and repair after a dead writer.

What a reader finds under a step is complete at any time. A writer that is killed leaves the
previous version, in its place or waiting in ``.dxdask/replaced``, and in ``.dxdask/staging`` what
the next writer clears, but for complete partitions, which go back to where they were. Nothing is
flushed to the disk by force: after a loss of power a damaged chunk is found by its checksum.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from dxdask.errors import StoreWriteError
from dxdask.storage.store import create, layout, read
from dxdask.storage.store.disk import link_tree
from dxdask.storage.store.history import record
from dxdask.storage.store.manifest import Manifest


def put_in_place(root: Path, staged: Path, manifest: Manifest) -> None:
    """Complete a prepared result, and replace the previous one by it."""
    branch, step = manifest.branch, manifest.step
    create.update(staged, {**manifest.to_dict(), "complete": True})
    record(root, branch, step)
    _swap(root, branch, step, staged)
    record(root, branch, step)
    shutil.rmtree(layout.partitions_path(root, branch) / step, ignore_errors=True)


def _swap(root: Path, branch: str, step: str, staged: Path) -> None:
    """Move the staged folder into its place and the previous one away."""
    target = layout.step_path(root, branch, step)
    previous = layout.replaced_path(root, branch, step)
    create.parents(root, target)
    if target.exists():
        shutil.rmtree(previous, ignore_errors=True)
        create.parents(root, previous)
        os.rename(target, previous)
    try:
        os.rename(staged, target)
    except OSError:
        if previous.exists():
            os.rename(previous, target)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def move_partition(root: Path, source: Path, target: Path) -> None:
    """Move a partition into a prepared result."""
    create.parents(root, target)
    os.rename(source, target)


def link_partition(root: Path, source: Path, target: Path) -> None:
    """Take a partition of the present version over into a prepared result."""
    create.parents(root, target)
    link_tree(source, target)


def give_back(root: Path, branch: str, staged: Path) -> None:
    """Move the complete partitions of a result that will not be committed back to their place."""
    for path in sorted((staged / layout.RUNS).glob("*")):
        try:
            found = read.attributes(path)
            if found.get("complete") is True:
                step, run, print_ = (str(found[key]) for key in ("step", "run", "fingerprint"))
                target = layout.partition_path(root, branch, step, run, print_)
                create.parents(root, target)
                os.rename(path, target)
        except (OSError, ValueError, KeyError):
            continue  # one of the present version is there already, or it is not complete


def clear(root: Path, branch: str) -> None:
    """Repair a branch after a dead writer; its lock has just been taken."""
    try:
        for waiting in _folders(root / layout.REPLACED / branch):
            if not layout.is_safe(waiting.name):
                shutil.rmtree(waiting, ignore_errors=True)
                continue
            target = layout.step_path(root, branch, waiting.name)
            if (target / layout.METADATA).is_file():
                shutil.rmtree(waiting, ignore_errors=True)
            else:
                create.parents(root, target)
                os.rename(waiting, target)
        for left in _folders(layout.staging_path(root, branch)):
            give_back(root, branch, left)
            shutil.rmtree(left, ignore_errors=True)
        for left in layout.partitions_path(root, branch).glob(f"*/*{layout.PARTIAL}"):
            shutil.rmtree(left, ignore_errors=True)
    except OSError as error:
        raise StoreWriteError(f"cannot write to {root}: {error}; check its permissions") from error


def clear_imports(root: Path) -> None:
    """Remove the remains of a dead importer; the lock of imports has just been taken."""
    for left in _folders(layout.staging_path(root, layout.IMPORTS)):
        shutil.rmtree(left, ignore_errors=True)


def _folders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir()) if path.is_dir() else []
