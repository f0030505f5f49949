"""Masks and maps of a value a pixel: files of the user's, steps' arrays, and the mask applied.

The mask that `apply_mask` made is that step's result: the array RUN of each run, in its partition
or beside the others, so that it is committed for all runs at once; it holds for the runs it was
made for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.errors import FormatError, InputError, SchemaError, StoreNotFoundError, StoreWriteError
from dxdask.storage.store import layout, read, results
from dxdask.storage.store.manifest import Manifest
from dxdask.storage.store.provenance import CONTENTS, fingerprint

APPLIED = "apply_mask"


def read_mask(path: Path, name: str) -> Mask:
    """Return the mask (slow, fast) in a .npy file; `name` is the parameter that gave it.

    Raises
    ------
    FormatError
        It cannot be read, or holds something else.
    """
    found = _read_npy(path, name, "booleans")
    if found.dtype != np.bool_:
        raise FormatError(f"{name}={path} is {found.dtype} {found.shape}, not bool (slow, fast)")
    return np.array(found)


def read_gain_map(path: Path, name: str) -> NDArray[np.float64]:
    """Return the counts per photon of each pixel (slow, fast) in a .npy file.

    Raises
    ------
    FormatError
        It cannot be read, or holds something else.
    InputError
        A gain is not finite, or not above 0.
    """
    found = _read_npy(path, name, "numbers")
    if found.dtype.kind not in "fiu":
        raise FormatError(f"{name}={path} is {found.dtype} {found.shape}, not float (slow, fast)")
    gains = np.array(found, np.float64)
    bad = np.argwhere(~(np.isfinite(gains) & (gains > 0)))
    if len(bad):
        slow, fast = bad[0].tolist()
        raise InputError(
            f"{name}={path} has {len(bad)} gains that are not finite or not above 0, the first "
            f"{gains[slow, fast]} at slow {slow}, fast {fast}; give counts per photon"
        )
    return gains


def read_pedestal_map(path: Path, name: str) -> NDArray[np.float64]:
    """Return the counts without photons of each pixel (slow, fast) in a .npy file.

    Raises
    ------
    FormatError
        It cannot be read, or holds something else.
    InputError
        A pedestal is not finite.
    """
    found = _read_npy(path, name, "numbers")
    if found.dtype.kind not in "fiu":
        raise FormatError(f"{name}={path} is {found.dtype} {found.shape}, not float (slow, fast)")
    pedestals = np.array(found, np.float64)
    bad = np.argwhere(~np.isfinite(pedestals))
    if len(bad):
        slow, fast = bad[0].tolist()
        raise InputError(
            f"{name}={path} has {len(bad)} pedestals that are not finite, the first at slow "
            f"{slow}, fast {fast}; give counts"
        )
    return pedestals


def _read_npy(path: Path, name: str, kind: str) -> NDArray[Any]:
    try:
        # Mapped, so that a header that announces more than the file holds allocates nothing.
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, OverflowError) as error:
        raise FormatError(
            f"{name}={path} cannot be read ({error}); give a .npy file of {kind} (slow, fast)"
        ) from error
    if not isinstance(found, np.ndarray):
        raise FormatError(f"{name}={path} is an archive; give a .npy file of one array")
    if found.ndim != 2:
        raise FormatError(f"{name}={path} is {found.dtype} {found.shape}, not (slow, fast)")
    return found


def write_npy(path: Path, values: NDArray[Any]) -> None:
    """Write a mask or a map (slow, fast) as a .npy file, whole or not at all.

    Raises
    ------
    StoreWriteError
        The file cannot be written.
    """
    aside = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            np.save(file, values, allow_pickle=False)
        aside.replace(path)
    except OSError as error:
        raise StoreWriteError(f"cannot write {path}: {error}; check the folder") from error
    finally:
        with suppress(OSError):
            aside.unlink()


def check_size(what: str, shape: tuple[int, ...], run: str, frame: tuple[int, ...]) -> None:
    """Check that a mask or map of this shape fits the frames (slow, fast) of a run.

    Raises
    ------
    InputError
        It does not.
    """
    if shape != frame:
        raise InputError(f"{what} is {shape}, the frames of run {run} are {frame} (slow, fast)")


def digest(values: NDArray[Any]) -> str:
    """Return the SHA-256 (hexadecimal) of an array: its dtype, shape and content."""
    found = hashlib.sha256(f"{values.dtype.str} {values.shape} ".encode())
    found.update(np.ascontiguousarray(values).data)
    return found.hexdigest()


def of_step(root: Path, step: str, name: str, run: str, branch: str = layout.MAIN) -> Mask:
    """Return the mask (slow, fast) of a run that a step made.

    It is the array `name` of the run's partition, or where the step has none the run's part of its
    array `name` (run, slow, fast), or its array NAME_RUN.

    Raises
    ------
    StoreNotFoundError
        There is no such step, array or run.
    """
    return read.steady(root, step, branch, lambda path: _of_step(path, step, name, run))


def _of_step(path: Path, step: str, name: str, run: str) -> Mask:
    manifest = read.manifest(path)
    what = f"mask of run {run!r} by {step}"
    entry = manifest.runs.get(run)
    if entry is not None and name in entry.arrays:
        return _boolean(read.array(path / layout.RUNS / run / layout.ARRAYS / name, what))
    present = manifest.ensemble_arrays
    own = f"{name}_{run}"
    if own in present:
        return _boolean(read.array(path / layout.ARRAYS / layout.safe_name(own, "an array"), what))
    runs = list(manifest.runs) or list(results.experiments(path).runs)
    if name in manifest.arrays and run not in runs:
        raise StoreNotFoundError(
            f"{step} was run on {', '.join(runs) or 'no run'}, not on {run}; run it again"
        )
    if name not in present:
        raise StoreNotFoundError(f"{step} made no {name.replace('_', ' ')} of run {run}")
    place = runs.index(run)
    return _boolean(read.array(path / layout.ARRAYS / name, what, slice(place, place + 1)))


def _boolean(mask: NDArray[Any]) -> Mask:
    """Return a mask (slow, fast), which may be stored as that of one run (1, slow, fast)."""
    if mask.ndim == 3 and len(mask) == 1:
        mask = mask[0]
    if mask.dtype != np.bool_ or mask.ndim != 2:
        raise SchemaError(
            f"a mask in the store is {mask.dtype} {mask.shape}, not bool (slow, fast); "
            "run the step that made it again"
        )
    return mask


def contents_of_run(run_id: str, good: Mask, imported: Mask) -> dict[str, Any]:
    """Return the record of the mask applied to a run; no digest if it masks no additional pixel.

    good : (slow, fast), imported and applied. run_id : of the run it is made for.
    """
    same = np.array_equal(good, imported)
    return {"run": run_id, "digest": None if same else digest(good)}


def applied(root: Path, run: str, run_id: str, branch: str = layout.MAIN) -> Mask | None:
    """Return the mask (slow, fast) applied to a run, None where there is none."""
    if read.complete_step(root, APPLIED, branch) is None:
        return None

    def find(path: Path) -> Mask | None:
        manifest = read.manifest(path)
        if _contents(manifest, run).get("run") != run_id:
            return None
        entry = manifest.runs.get(run)
        if entry is not None and run in entry.arrays:
            folder = path / layout.RUNS / run
        elif run in manifest.ensemble_arrays:
            folder = path
        else:
            return None
        return _boolean(read.array(folder / layout.ARRAYS / run, f"mask applied to run {run!r}"))

    return read.steady(root, APPLIED, branch, find)


def with_applied(imported: Mask, mask: Mask | None, run: str) -> Mask:
    """Return the pixels (slow, fast) of a run that are good by both masks.

    Raises
    ------
    SchemaError
        They differ in size: the store is damaged.
    """
    if mask is None:
        return imported
    if mask.shape != imported.shape:
        raise SchemaError(
            f"the mask applied to run {run!r} is {mask.shape}, its frames are {imported.shape} "
            "(slow, fast); run apply_mask again"
        )
    return imported & mask


def frames_fingerprint(
    root: Path, run: str, attributes: Mapping[str, Any], branch: str = layout.MAIN
) -> str:
    """Return the fingerprint of a run's frames, masked as they are now.

    attributes : of the run. Where no more is masked than at import, it is the import's fingerprint.
    """
    imported = str(attributes["fingerprint"])
    path = read.complete_step(root, APPLIED, branch)
    mine = {} if path is None else _contents(read.manifest(path), run)
    if mine.get("run") != attributes["id"] or not mine.get("digest"):
        return imported
    return fingerprint("masked", {"mask": mine["digest"]}, [imported], "1")


def _contents(manifest: Manifest, run: str) -> Mapping[str, Any]:
    """Return the record of `contents_of_run` of a run; empty if the store holds none."""
    entry = manifest.runs.get(run)
    found: Any = manifest.parameters if entry is None else entry.parameters or manifest.parameters
    for key in (CONTENTS, run):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
