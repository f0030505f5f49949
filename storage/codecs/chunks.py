"""Decompression of one chunk of frames, without the HDF5 library.

HDF5 decompresses under a lock that all threads share; these kernels release the GIL. Bytes are not
trusted: damaged ones give an error, never a read or a write outside of the arrays.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numcodecs import zstd
from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.storage.codecs import bitshuffle, lz4
from dxdask.storage.codecs.byte_offset import decompress_byte_offset

Bytes = NDArray[np.uint8]

_HEAD = 12
_FAULTS = {
    lz4.ENDS_EARLY: "the compressed data end early",
    lz4.GOES_ASTRAY: "the compressed data refer to bytes outside of them",
    lz4.WRONG_SIZE: "the compressed data hold another number of bytes than a chunk",
    lz4.NO_ROOM: "the compressed data hold more than a chunk",
}


def decompress(compression: str, data: bytes, out: NDArray[Any]) -> None:
    """Fill `out`, contiguous, with the chunk that `data` holds.

    compression : one of `COMPRESSIONS`. out : of the dtype as stored, with its byte order.

    Raises
    ------
    FormatError
        The data are damaged, or the compression is not known; `out` may be filled in part.
    """
    if compression not in COMPRESSIONS:
        raise FormatError(
            f"compression {compression!r} is not known; {', '.join(COMPRESSIONS)} are"
        )
    COMPRESSIONS[compression](np.frombuffer(data, dtype=np.uint8), out)


def _flat(out: NDArray[Any]) -> Bytes:
    return out.reshape(-1).view(np.uint8)


def _check(fault: int) -> None:
    if fault != lz4.OK:
        raise FormatError(_FAULTS[fault])


def _none(data: Bytes, out: NDArray[Any]) -> None:
    if data.size != out.nbytes:
        raise FormatError(f"{data.size} bytes were found, a chunk has {out.nbytes}")
    _flat(out)[:] = data


def _inflated(data: Bytes, n_bytes: int) -> Bytes:
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(data.data, n_bytes + 1)
    except zlib.error as error:
        raise FormatError(f"the compressed data are damaged ({error})") from error
    if len(found) != n_bytes or not stream.eof:
        _check(lz4.ENDS_EARLY if len(found) < n_bytes else lz4.WRONG_SIZE)
    return np.frombuffer(found, dtype=np.uint8)


def _deflate(data: Bytes, out: NDArray[Any]) -> None:
    _flat(out)[:] = _inflated(data, out.nbytes)


def _shuffle_deflate(data: Bytes, out: NDArray[Any]) -> None:
    planes = _inflated(data, out.nbytes).reshape(out.itemsize, -1)
    _flat(out).reshape(-1, out.itemsize)[:] = planes.T


def _lz4(data: Bytes, out: NDArray[Any]) -> None:
    room = np.empty(out.nbytes + lz4.PADDING, dtype=np.uint8)
    _check(lz4.decompress_filter(data, room, out.nbytes))
    _flat(out)[:] = room[: out.nbytes]


def _block_of(data: Bytes, out: NDArray[Any]) -> int:
    """Return the elements in a block, from the head of a bitshuffled and compressed chunk."""
    if data.size < _HEAD:
        _check(lz4.ENDS_EARLY)
    n_bytes, block_bytes = (int.from_bytes(part, "big") for part in (data[:8], data[8:_HEAD]))
    if n_bytes != out.nbytes:
        raise FormatError(f"the compressed data announce {n_bytes} bytes, a chunk has {out.nbytes}")
    if block_bytes == 0 or block_bytes % (8 * out.itemsize):
        raise FormatError(f"the compressed data announce blocks of {block_bytes} bytes")
    return min(block_bytes // out.itemsize, out.size // 8 * 8)


def _planes(out: NDArray[Any], block: int) -> Bytes:
    return np.empty((out.itemsize, block), dtype=np.uint8)


def _bitshuffle(data: Bytes, out: NDArray[Any]) -> None:
    block = bitshuffle.block_elements(out.itemsize)
    _check(bitshuffle.unshuffle(data, out.itemsize, block, _planes(out, block), _flat(out)))


def _bitshuffle_lz4(data: Bytes, out: NDArray[Any]) -> None:
    block = _block_of(data, out)
    rows = np.empty(block * out.itemsize + lz4.PADDING, dtype=np.uint8)
    planes = _planes(out, block)
    _check(bitshuffle.decompress_lz4(data, out.itemsize, block, planes, rows, _flat(out)))


def _bitshuffle_zstd(data: Bytes, out: NDArray[Any]) -> None:
    block = _block_of(data, out)
    bits = np.empty(out.nbytes, dtype=np.uint8)
    at, to, n_left = _HEAD, 0, out.size
    while n_left >= 8:
        n = min(block, n_left // 8 * 8)
        size = int.from_bytes(data[at : at + 4], "big")
        at += 4
        if at + size > data.size:
            _check(lz4.ENDS_EARLY)
        try:
            zstd.decompress(data[at : at + size], bits[to : to + n * out.itemsize])
        except (RuntimeError, ValueError) as error:
            raise FormatError(f"the compressed data are damaged ({error})") from error
        at, to, n_left = at + size, to + n * out.itemsize, n_left - n
    if data.size - at != out.nbytes - to:
        _check(lz4.WRONG_SIZE)
    bits[to:] = data[at:]
    _check(bitshuffle.unshuffle(bits, out.itemsize, block, _planes(out, block), _flat(out)))


def _byte_offset(data: Bytes, out: NDArray[Any]) -> None:
    if out.dtype != np.int32:
        raise FormatError(f"byte offset compresses 32-bit integers, not {out.dtype}")
    decompress_byte_offset(data, out.reshape(-1))


COMPRESSIONS: Mapping[str, Callable[[Bytes, NDArray[Any]], None]] = {
    "none": _none,
    "deflate": _deflate,
    "shuffle+deflate": _shuffle_deflate,
    "lz4": _lz4,
    "bitshuffle": _bitshuffle,
    "bitshuffle+lz4": _bitshuffle_lz4,
    "bitshuffle+zstd": _bitshuffle_zstd,
    "byte_offset": _byte_offset,
}
