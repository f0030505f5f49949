"""Bytes of raw files, decompressed where a file is compressed as a whole."""

from __future__ import annotations

import bz2
import gzip
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from dxdask.errors import FormatError

HEAD_BYTES = 1 << 12
"""Length of the head by which formats are recognised."""
MAX_IMAGE_BYTES = 1 << 30
"""Limit of one image; a compressed file that grows beyond it is not an image."""
COMPRESSED_SUFFIXES = (".gz", ".bz2")


def is_compressed(path: Path) -> bool:
    """Return True if a file is compressed as a whole."""
    return path.suffix in COMPRESSED_SUFFIXES


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    if path.suffix == ".bz2":
        return cast(BinaryIO, bz2.open(path, "rb"))
    return path.open("rb")


def read_bytes(path: Path, limit: int = MAX_IMAGE_BYTES) -> bytes:
    """Return the first `limit` bytes of a file, decompressed if its name ends in .gz or .bz2.

    Raises
    ------
    FormatError
        The compressed file is damaged or truncated, or decompresses to more than an image holds.
    """
    try:
        with _open(path) as stream:
            data = stream.read(limit)
            if limit == MAX_IMAGE_BYTES and stream.read(1):
                raise FormatError(f"{path} decompresses to more than {limit} bytes: not an image")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FormatError(f"{path} is truncated or damaged ({error}); fetch it again") from error
    except OSError as error:
        if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
            raise
        raise FormatError(f"{path} cannot be read ({error}); fetch it again") from error
    return data
