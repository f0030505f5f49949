"""Decompression of LZ4 blocks, and of chunks of the HDF5 filter 32004.

Sources: the LZ4 block format description (lz4.org, lz4_Block_format.md); "LZ4 HDF5 filter format"
(registered filter 32004): size of the data (8 bytes) and of a block (4 bytes), both big-endian,
then for each block its compressed size (4 bytes, big-endian) and bytes; a block that did not shrink
is stored uncompressed.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dxdask.storage.codecs.words import COPIED, copy_some, fill_bytes, store_word

_PAIRS = np.uint64(0x0001000100010001)
PADDING = 2 * COPIED  # bytes behind the end of a target that a copy may run over
OK, ENDS_EARLY, GOES_ASTRAY, WRONG_SIZE, NO_ROOM = 0, 1, 2, 3, 4


@njit(cache=True, nogil=True, error_model="numpy")
def big_endian(data, at, n_bytes):  # type: ignore[no-untyped-def]
    """Return the unsigned number in `n_bytes` (at most 8) bytes; the top bit is dropped."""
    value = np.int64(0)
    for k in range(n_bytes):
        value = (value << 8) | np.int64(data[at + k])
    return value & np.int64(0x7FFFFFFFFFFFFFFF)


@njit(cache=True, nogil=True, error_model="numpy")
def _length(data, at, stop, found):  # type: ignore[no-untyped-def]
    """Return a length, continued while its bytes are 255, and its end (-1: none)."""
    while at < stop:
        more = np.int64(data[at])
        at += 1
        found += more
        if more != 255:
            return found, at
    return found, np.int64(-1)


@njit(cache=True, nogil=True, error_model="numpy")
def _repeat(out, to, distance, length):  # type: ignore[no-untyped-def]
    """Append `length` bytes from `distance` before; may write `PADDING` bytes beyond."""
    if distance == 1:
        fill_bytes(out, to, length, out[to - 1])
        return
    end = to + length
    if distance < COPIED:
        if distance == 2:
            pair = np.uint64(out[to - 2]) | (np.uint64(out[to - 1]) << np.uint64(8))
            store_word(out, to, pair * _PAIRS)
            store_word(out, to + 8, pair * _PAIRS)
        else:
            for k in range(to, to + COPIED):
                out[k] = out[k - distance]
        # A multiple of the distance repeats the same bytes; this one allows whole copies.
        distance *= (COPIED + distance - 1) // distance
        to += COPIED
    while to < end:
        copy_some(out, to, out, to - distance)
        to += COPIED


@njit(cache=True, nogil=True, error_model="numpy")
def decompress_block(data, at, stop, out, to, end):  # type: ignore[no-untyped-def]
    """Decompress the LZ4 block data[at:stop] to out[to:end], both uint8; return OK or the fault.

    Reads nothing outside of the block, writes nothing beyond end + `PADDING`, which out must have.
    """
    first = to
    while at < stop:
        token = np.int64(data[at])
        at += 1
        length = token >> 4
        if length == 15:
            length, at = _length(data, at, stop, length)
            if at < 0:
                return ENDS_EARLY
        if length > stop - at:
            return ENDS_EARLY
        if length > end - to:
            return GOES_ASTRAY
        if stop - at >= length + COPIED:
            copy_some(out, to, data, at)
            for k in range(COPIED, length, COPIED):
                copy_some(out, to + k, data, at + k)
        else:
            for k in range(length):
                out[to + k] = data[at + k]
        at += length
        to += length
        if at == stop:
            break
        if stop - at < 2:
            return ENDS_EARLY
        distance = np.int64(data[at]) | (np.int64(data[at + 1]) << 8)
        at += 2
        length = (token & 15) + 4
        if length == 19:
            length, at = _length(data, at, stop, length)
            if at < 0:
                return ENDS_EARLY
        if distance == 0 or distance > to - first or length > end - to:
            return GOES_ASTRAY
        _repeat(out, to, distance, length)
        to += length
    return OK if to == end else WRONG_SIZE


@njit(cache=True, nogil=True, error_model="numpy")
def decompress_filter(data, out, n_bytes):  # type: ignore[no-untyped-def]
    """Fill out (n_bytes + PADDING,) uint8 from a chunk of filter 32004; return OK or the fault."""
    if data.size < 12:
        return ENDS_EARLY
    block = big_endian(data, 8, 4)
    if big_endian(data, 0, 8) != n_bytes or block < 1:
        return WRONG_SIZE
    if n_bytes + PADDING > out.size:
        return NO_ROOM
    at, to = np.int64(12), np.int64(0)
    while to < n_bytes:
        if data.size - at < 4:
            return ENDS_EARLY
        size = min(block, n_bytes - to)
        compressed = big_endian(data, at, 4)
        at += 4
        if compressed > data.size - at:
            return ENDS_EARLY
        if compressed == size:
            out[to : to + size] = data[at : at + size]
        else:
            fault = decompress_block(data, at, at + compressed, out, to, to + size)
            if fault != OK:
                return fault
        at += compressed
        to += size
    return OK
