"""Chunks of the arrays of a store: compressed by blosc (zstd) with a checksum, or plain bytes."""

from __future__ import annotations

import struct
from typing import Any, Final

import google_crc32c
import numpy as np
from numcodecs import blosc  # type: ignore[attr-defined]
from numpy.typing import NDArray

from dxdask.errors import SchemaError

CNAME: Final = "zstd"
LEVEL: Final = 1
_CHECKSUM = struct.Struct("<I")
_SIZES = struct.Struct("<4xI4xI")  # of a blosc header: bytes unpacked, bytes packed


def pack(values: NDArray[Any]) -> bytes:
    """Return the content of the file of a chunk, contiguous and little endian."""
    flat = values.reshape(-1)
    data: bytes = blosc.compress(flat, CNAME.encode(), LEVEL, blosc.SHUFFLE, 0)
    return data + _CHECKSUM.pack(google_crc32c.value(data))


def unpack(data: bytes, out: NDArray[Any]) -> None:
    """Fill `out`, contiguous, with the content of the file of a chunk.

    Raises
    ------
    SchemaError
        It is damaged; nothing is allocated for it.
    """
    body, found = data[: -_CHECKSUM.size], data[-_CHECKSUM.size :]
    if len(body) < _SIZES.size or google_crc32c.value(body) != _CHECKSUM.unpack(found)[0]:
        raise SchemaError("has a wrong checksum")
    n_bytes, n_packed = _SIZES.unpack_from(body)
    if n_packed != len(body):
        # Blosc does not check its header and would read behind the end.
        raise SchemaError(f"has {len(body)} bytes where {n_packed} are announced")
    if n_bytes != out.nbytes:
        raise SchemaError(f"holds {n_bytes} bytes instead of {out.nbytes}")
    try:
        blosc.decompress(body, out.reshape(-1))
    except (RuntimeError, ValueError) as error:
        raise SchemaError(f"does not decompress ({error})") from error


def copy(data: bytes, out: NDArray[Any]) -> None:
    """Fill `out` with the content of the file of a chunk that is not compressed.

    Raises
    ------
    SchemaError
        It is of another size.
    """
    if len(data) != out.nbytes:
        raise SchemaError(f"holds {len(data)} bytes instead of {out.nbytes}")
    out[...] = np.frombuffer(data, out.dtype).reshape(out.shape)
