"""Raw files opened for reading chunks of frames."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from dxdask.storage.formats.file_bytes import HEAD_BYTES

OpenFile: TypeAlias = Callable[[int], tuple[int, str]]
"""Returns descriptor and path of a file by its number in a chunk manifest."""


@contextmanager
def opened_files(files: Mapping[int, str] | tuple[str, ...]) -> Iterator[OpenFile]:
    """Yield a function that opens files as they are needed; close them at the end."""
    descriptors: dict[int, int] = {}

    def descriptor(number: int) -> tuple[int, str]:
        if number not in descriptors:
            descriptors[number] = open_regular(files[number])
        return descriptors[number], files[number]

    try:
        yield descriptor
    finally:
        for fd in descriptors.values():
            os.close(fd)


def open_regular(path: str | Path) -> int:
    """Return the descriptor of a file, open for reading.

    Raises
    ------
    OSError, ValueError
        It is not there, or is a folder, a pipe or a device: reading those may block for ever.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(f"{path} is not a regular file")
    return fd


def head_of(fd: int) -> bytes:
    """Return the first bytes of a file."""
    return os.pread(fd, HEAD_BYTES, 0)


def digest_of(head: bytes) -> str:
    """Return a short digest of the first bytes of a file."""
    return hashlib.sha256(head).hexdigest()[:16]
