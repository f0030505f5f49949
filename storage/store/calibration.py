"""Calibration of a run, beside its raw frames: ``runs/RUN/raw``.

Arrays (slow, fast) of the stored frame: pedestal and noise (ADU), gain (ADU a photon), use (0 bad,
1 good, 2 unbonded). Written aside and put in place whole; a run that is imported again has none.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import SchemaError, StoreWriteError
from dxdask.storage.store import create, layout, read
from dxdask.storage.store.provenance import now, versions

_ARRAYS = {
    "pedestal": (np.float32, "ADU", "mean count without photons"),
    "noise": (np.float32, "ADU", "standard deviation of that, without the common mode"),
    "gain": (np.float32, "ADU/photon", "counts of a photon above the pedestal"),
    "use": (np.uint8, "", "0 where the pixel is bad, 1 good, 2 without contact to the sensor"),
}


class StoredCalibration(NamedTuple):
    """Arrays (slow, fast) as above; n_dark : frames of the dark run.

    fingerprint : of what they were made of.
    """

    pedestal: NDArray[np.float32]
    noise: NDArray[np.float32]
    gain: NDArray[np.float32]
    use: NDArray[np.uint8]
    n_dark: int
    fingerprint: str


def write_calibration(
    root: Path,
    run: str,
    calibration: StoredCalibration,
    *,
    parameters: Mapping[str, Any] | None = None,
) -> None:
    """Write the calibration of a run in the place of the one before.

    The caller holds the lock of runs.

    Raises
    ------
    SchemaError
        An array is not of the frames' size or of another dtype.
    StoreWriteError
        The disk is full or refuses; the one before is intact.
    """
    path = layout.run_path(root, run)
    size = tuple(read.metadata(path / layout.FRAMES)["shape"][1:])
    for name, (dtype, _, _) in _ARRAYS.items():
        values = getattr(calibration, name)
        if values.shape != size or values.dtype != dtype:
            raise SchemaError(
                f"{name} of run {run!r} is {values.dtype} {values.shape}, should be "
                f"{np.dtype(dtype).name} {size}"
            )
    staged = layout.staging_path(root, layout.IMPORTS) / f"{layout.RAW}-{uuid.uuid4().hex}"
    try:
        create.parents(root, staged)
        create.group(
            staged,
            {
                "run": read.attributes(path)["id"],
                "fingerprint": calibration.fingerprint,
                "n_dark": int(calibration.n_dark),
                "parameters": dict(parameters or {}),
                "created": now(),
                "versions": versions(),
            },
        )
        for name, (_, unit, doc) in _ARRAYS.items():
            values = getattr(calibration, name)
            create.array(staged, name, values, ("slow", "fast"), {"units": unit, "doc": doc})
        create.update(staged, {"complete": True})
        shutil.rmtree(path / layout.RAW, ignore_errors=True)
        staged.rename(path / layout.RAW)
    except OSError as error:
        raise StoreWriteError(
            f"cannot write the calibration of run {run!r} to {root}: {error}; check its disk"
        ) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def calibration_fingerprint(root: Path, run: str) -> str | None:
    """Return the fingerprint of the calibration of a run, None where it has none."""
    attributes = _attributes(layout.run_path(root, run))
    return None if attributes is None else str(attributes["fingerprint"])


def calibration_parameters(root: Path, run: str) -> dict[str, Any] | None:
    """Return the parameters that a run was calibrated with, None where it was not."""
    attributes = _attributes(layout.run_path(root, run))
    return None if attributes is None else dict(attributes["parameters"])


def read_calibration(root: Path, run: str) -> StoredCalibration | None:
    """Return the calibration of a run, None where it has none.

    Raises
    ------
    SchemaError
        It is damaged.
    """
    path = layout.run_path(root, run)
    attributes = _attributes(path)
    if attributes is None:
        return None
    found = {}
    size = tuple(read.metadata(path / layout.FRAMES)["shape"][1:])
    for name, (dtype, _, _) in _ARRAYS.items():
        values = read.array(path / layout.RAW / name, f"{name} of run {run!r}")
        if values.dtype != dtype or values.shape != size:
            raise SchemaError(
                f"{name} of run {run!r} is {values.dtype} {values.shape}, should be "
                f"{np.dtype(dtype).name} {size}: the store is damaged; calibrate again"
            )
        found[name] = values
    return StoredCalibration(
        **found, n_dark=int(attributes["n_dark"]), fingerprint=str(attributes["fingerprint"])
    )


def _attributes(path: Path) -> dict[str, Any] | None:
    """Return the attributes of a run's calibration, None where it has none that is complete."""
    if not (path / layout.RAW / layout.METADATA).is_file():
        return None
    found = read.attributes(path / layout.RAW)
    mine = found.get("complete") is True and found.get("run") == read.attributes(path).get("id")
    return found if mine else None
