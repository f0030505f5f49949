"""What is asked of an array of a store before it is read: codecs, files and sizes.

Metadata and the headers of chunks are claims of whoever wrote the store. Nothing is allocated for
them before they agree with each other, with the files that are there and with the free memory.
"""

from __future__ import annotations

import math
import stat
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from dxdask.errors import MemoryBudgetError, SchemaError
from dxdask.storage.store import layout

_CODECS = (["bytes"], ["bytes", "blosc", "crc32c"])  # as `create.array` writes them
_BLOSC_SIZE = struct.Struct("<4xI8x")  # a blosc header; the bytes that it unpacks to


def check_codecs(metadata: Mapping[str, Any], path: Path) -> None:
    """Refuse codecs beyond those that only move and unpack bytes, in the order dxdask writes them.

    Raises
    ------
    SchemaError
        There are others.
    """
    names = [str(c.get("name") if isinstance(c, dict) else c) for c in metadata.get("codecs", ())]
    if names not in _CODECS:
        known = {n for codecs in _CODECS for n in codecs}
        unknown = ", ".join(n for n in names if n not in known) or " + ".join(names) or "nothing"
        raise SchemaError(
            f"{path} is encoded with {unknown}, which dxdask does not read; run the step again"
        )


def check_memory(n_bytes: int, what: str, path: Path) -> None:
    """Refuse what is larger than the memory that is free.

    Raises
    ------
    MemoryBudgetError
        It is.
    """
    free = psutil.virtual_memory().available
    if n_bytes > free:
        raise MemoryBudgetError(
            f"{what} at {path} needs {n_bytes / 1e9:.1f} GB, {free / 1e9:.1f} GB are free: "
            "read fewer columns or one run, or use a larger machine"
        )


def check_files(found: Any, path: Path, what: str) -> None:
    """Require as many files as an opened zarr array has chunks: zarr takes a lost one for zeros.

    Raises
    ------
    SchemaError
        There are fewer.
    """
    n_expected = math.prod(_grid(found)) if found.size else 0
    folder = path / "c"
    n_found = 1 if folder.is_file() else sum(1 for f in folder.rglob("*") if f.is_file())
    if n_found < n_expected:
        raise SchemaError(
            f"{what} at {path} has {n_found} of {n_expected} chunks: "
            "it is damaged; run the step again"
        )


def check_chunks(found: Any, path: Path, what: str, rows: range) -> None:
    """Require that the chunks of `rows` (of the first axis) unpack to the size of a chunk.

    Raises
    ------
    SchemaError
        A chunk has no file, or would unpack to another size.
    MemoryBudgetError
        A chunk is larger than the memory that is free.
    """
    if found.size == 0 or not rows:
        return
    n_bytes = math.prod(found.chunks) * found.dtype.itemsize
    check_memory(n_bytes, f"a chunk of {what}", path)
    grid = _grid(found)
    first = min(rows) // found.chunks[0] if grid else 0
    wanted = [max(rows) // found.chunks[0] - first + 1, *grid[1:]] if grid else []
    packed = len(found.metadata.codecs) > 1
    for at in np.ndindex(*wanted):
        index = (at[0] + first, *at[1:]) if at else ()
        size = _unpacked_size(layout.chunk_path(path, index), packed=packed)
        if size != n_bytes:
            fault = "has no file" if size is None else f"holds {size} bytes instead of {n_bytes}"
            raise SchemaError(
                f"{what} at {path} is damaged (of its chunks, {index} {fault}); run the step again"
            )


def _grid(found: Any) -> list[int]:
    return [math.ceil(n / c) for n, c in zip(found.shape, found.chunks, strict=True)]


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
