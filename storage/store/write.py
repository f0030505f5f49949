"""Writing a step: aside, whole, and then into its place by renaming.

What a reader finds under a step's group is complete at any time. A writer that is killed leaves
the previous version, in its place or waiting in ``.dxdask/replaced``, and rubbish in
``.dxdask/staging`` that the next writer clears. Nothing is flushed to the disk by force: after a
loss of power a damaged chunk is found by its checksum.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from dxdask import columns
from dxdask.errors import StoreWriteError
from dxdask.results import StepResult
from dxdask.storage.store import create, layout, read, schema
from dxdask.storage.store.provenance import now, versions


def write_step(
    root: Path,
    name: str,
    result: StepResult,
    *,
    parameters: Mapping[str, Any],
    fingerprint: str,
    seconds: Mapping[str, float],
) -> None:
    """Write a step's result in the place of the previous one; the caller holds the lock.

    Raises
    ------
    SchemaError
        The result has columns or arrays that a store does not hold.
    InputError
        A table or parameter holds what JSON cannot, or no group can have that name.
    StoreWriteError
        The disk is full or refuses; what was there before is intact.
    """
    schema.check_result(result)
    step, group = layout.step_of(name), layout.step_group(name)
    entry = {
        "id": uuid.uuid4().hex,
        "step": step,
        "created": now(),
        "fingerprint": fingerprint,
        "seconds": dict(seconds),
        "parameters": dict(parameters),
        "versions": versions(),
        "n_reflections": columns.n_rows(result.reflections),
        "n_experiments": len(result.experiments),
    }
    staged = root / layout.STAGING / f"{step}-{entry['id']}"
    try:
        _fill(staged, result, entry)
        _record_present(root, step)
        _swap(root, group, staged)
        _record_present(root, step)
    except OSError as error:
        raise StoreWriteError(
            f"cannot write {step} to {root}: {error}; earlier steps are intact: "
            f"free some space ({_free(root)} left) or check the disk, and repeat the command"
        ) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _fill(staged: Path, result: StepResult, entry: Mapping[str, Any]) -> None:
    """Write the result to the folder `staged`, the mark that it is complete last."""
    group = create.group(
        staged, {**entry, "columns": list(result.reflections), "arrays": list(result.arrays)}
    )
    for name, values in result.reflections.items():
        create.array(group, name, values, schema.column_dims(name), schema.column_attributes(name))
    offsets = schema.experiment_offsets(result.reflections, len(result.experiments))
    if offsets is not None:
        doc = {"doc": "row at which each experiment starts, and the one behind the last"}
        create.array(group, layout.OFFSETS, offsets, ("experiment_edge",), doc)
    arrays = create.group(staged / layout.ARRAYS, {})
    for name, values in result.arrays.items():
        dims = tuple(f"{name}_{axis}" for axis in range(np.ndim(values)))
        create.array(arrays, name, np.asarray(values), dims, {})
    create.group(staged / layout.MODELS, {"experiments": result.experiments.to_dict()})
    create.group(
        staged / layout.REPORT,
        {
            "tables": [t.to_dict() for t in result.tables],
            "messages": list(result.messages),
            "problems": [dict(p) for p in result.problems],
        },
    )
    group.attrs["complete"] = True


def _swap(root: Path, group: str, staged: Path) -> None:
    """Move the staged folder into its place and what was there away."""
    target, previous = root / group, layout.replaced_path(root, group)
    if target.exists():
        shutil.rmtree(previous, ignore_errors=True)
        os.rename(target, previous)
    try:
        os.rename(staged, target)
    except OSError:
        if previous.exists():
            os.rename(previous, target)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def _record_present(root: Path, step: str) -> None:
    """Enter the present version of a step in the history, if it is not there yet."""
    path = read.complete_step(root, step)
    if path is None:
        return
    found = read.attributes(path)
    history = root / layout.HISTORY
    entries = sorted(p.name for p in history.iterdir() if p.is_dir())
    mine = f"_{step}_{found['id'][:8]}"
    if any(e.endswith(mine) for e in entries):
        return
    number = 1 + max((int(e.split("_")[0]) for e in entries), default=0)
    content = {k: v for k, v in found.items() if k not in ("columns", "arrays")}
    content["tables"] = read.shown_tables(path)
    staged = root / layout.STAGING / f"history-{found['id']}"
    shutil.rmtree(staged, ignore_errors=True)
    create.group(staged, content)
    os.rename(staged, history / f"{number:05d}{mine}")


def clear(root: Path) -> None:
    """Put right what a dead writer left; for whoever has just taken the lock."""
    try:
        for waiting in _folders(root / layout.REPLACED):
            group = layout.replaced_group(waiting.name)
            if group is None or (root / group / layout.METADATA).is_file():
                shutil.rmtree(waiting, ignore_errors=True)
            else:
                os.rename(waiting, root / group)
        for left in _folders(root / layout.STAGING):
            shutil.rmtree(left, ignore_errors=True)
    except OSError as error:
        raise StoreWriteError(f"cannot write to {root}: {error}; check its permissions") from error


def _folders(path: Path) -> list[Path]:
    if not (path / layout.METADATA).is_file():
        zarr.create_group(path, zarr_format=3, overwrite=False)
    return sorted(p for p in path.iterdir() if p.is_dir())


def _free(root: Path) -> str:
    try:
        return f"{shutil.disk_usage(root).free / 1e6:.0f} MB"
    except OSError:
        return "unknown"
