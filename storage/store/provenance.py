"""Provenance of results: versions, times, fingerprints of parameters and of input files."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dxdask.errors import InputError
from dxdask.storage.store.documents import encode

CONTENTS = "contents"
"""Key, among the parameters of a step in the store, of the inputs that are no other step."""

_PACKAGES = ("dxdask", "dask", "distributed", "gemmi", "numba", "numpy", "scipy", "zarr")
_EDGE = 1 << 16  # bytes of a file's head and of its tail that are read


def now() -> str:
    """Return the time in ISO 8601, UTC, to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = [("python", platform.python_version())]
    for package in _PACKAGES:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            continue
    return tuple(found)


def versions() -> dict[str, str]:
    """Return the versions of dxdask and of the packages it computes with."""
    return dict(_versions())


def fingerprint(
    name: str, parameters: Mapping[str, Any], inputs: Sequence[str], version: str
) -> str:
    """Return the SHA-256 (hexadecimal) of a step: same fingerprint, same result.

    name: of the step. parameters: all of them, as plain values; their order does not matter.
    inputs: fingerprints of what the step reads, in its order. version: of the step's algorithm.
    """
    content = [name, encode(parameters, name), list(inputs), version]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_fingerprint(path: str | Path) -> str:
    """Return size, time of change (ns) and a digest of head and tail of a file.

    A file of many GB is not read through: a change of its middle also changes its time.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            digest = hashlib.sha256(file.read(_EDGE))
            file.seek(max(0, status.st_size - _EDGE))
            digest.update(file.read(_EDGE))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check the path") from error
    return f"{status.st_size}-{status.st_mtime_ns}-{digest.hexdigest()[:32]}"
