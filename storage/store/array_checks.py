"""Checks of an array of a store before it is read: files and sizes.

Metadata and the headers of chunks are claims of the program that wrote the store. Nothing is
allocated for them before they agree with each other, with the files that are there and with the
free memory.
"""

from __future__ import annotations

import math
import stat
import struct
from pathlib import Path

from dxdask.errors import MemoryBudgetError, SchemaError
from dxdask.storage.store import layout
from dxdask.storage.store.remedies import remedy
from dxdask.storage.store.stored_array import StoredArray

_NEVER_TOO_LARGE = 1 << 20  # bytes; to ask for the free memory takes longer than to read them
_BLOSC_SIZE = struct.Struct("<4xI8x")  # a blosc header; the bytes that it unpacks to


def check_memory(n_bytes: int, what: str, path: Path) -> None:
    """Refuse data larger than the memory that is free.

    Raises
    ------
    MemoryBudgetError
        It is.
    """
    if n_bytes < _NEVER_TOO_LARGE:
        return
    # psutil takes longer to import than a step's columns to read
    import psutil

    free = psutil.virtual_memory().available
    if n_bytes > free:
        raise MemoryBudgetError(
            f"{what} at {path} needs {n_bytes / 1e9:.1f} GB, {free / 1e9:.1f} GB are free: "
            "read fewer columns or one run, or use a larger machine"
        )


def check_files(found: StoredArray, path: Path, what: str) -> None:
    """Require as many files as an array has chunks.

    Raises
    ------
    SchemaError
        There are fewer.
    """
    n_expected = math.prod(found.grid) if math.prod(found.shape) else 0
    folder = path / "c"
    if n_expected == 1 and layout.chunk_path(path, (0,) * len(found.grid)).is_file():
        return
    n_found = 1 if folder.is_file() else sum(1 for f in folder.rglob("*") if f.is_file())
    if n_found < n_expected:
        raise SchemaError(
            f"{what} at {path} has {n_found} of {n_expected} chunks: it is damaged; {remedy(path)}"
        )


def check_chunks(found: StoredArray, path: Path, what: str, rows: range) -> None:
    """Require that the chunks of `rows` (of the first axis) unpack to the size of a chunk.

    Raises
    ------
    SchemaError
        A chunk has no file, or would unpack to another size.
    MemoryBudgetError
        A chunk is larger than the memory that is free.
    """
    n_bytes = found.chunk_bytes
    for index in found.chunks_of(rows):
        check_memory(n_bytes, f"a chunk of {what}", path)
        size = _unpacked_size(layout.chunk_path(path, index), packed=found.is_packed)
        if size != n_bytes:
            fault = "has no file" if size is None else f"holds {size} bytes instead of {n_bytes}"
            raise SchemaError(
                f"{what} at {path} is damaged (of its chunks, {index} {fault}); {remedy(path)}"
            )


def _unpacked_size(file: Path, *, packed: bool) -> int | None:
    """Return the bytes a chunk's file unpacks to, None where there is no such file."""
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            return None
        if not packed:
            return status.st_size
        with file.open("rb") as opened:
            head = opened.read(_BLOSC_SIZE.size)
    except FileNotFoundError:
        return None
    return int(_BLOSC_SIZE.unpack(head)[0]) if len(head) == _BLOSC_SIZE.size else 0
