"""Decompression of bitshuffle, alone and with LZ4 (HDF5 filter 32008).

Elements are processed in blocks; of a block first the lowest bits of all its elements are stored,
eight elements a byte, then the next higher bits, and so on. Up to seven elements at the end are
stored unshuffled. With LZ4, each block's bits are compressed separately. A head has the size of the
data (8 bytes) and of a block (4 bytes), and each block its compressed size (4 bytes), all
big-endian.
Source: Masui et al. (2015), Astronomy and Computing 12, 181; the transposition of 8 x 8 bits is
Warren's (Hacker's Delight, 2nd ed., 7-3).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dxdask.storage.codecs.lz4 import ENDS_EARLY, OK, WRONG_SIZE, big_endian, decompress_block
from dxdask.storage.codecs.words import load_word

_TARGET_BYTES = 8192  # of a block whose size is left to bitshuffle
_A, _B, _C = np.uint64(0x00AA00AA00AA00AA), np.uint64(0x0000CCCC0000CCCC), np.uint64(0xF0F0F0F0)
_S7, _S14, _S28 = np.uint64(7), np.uint64(14), np.uint64(28)


def block_elements(itemsize: int, asked: int = 0) -> int:
    """Return the default number of elements of `itemsize` bytes in a block."""
    if asked > 0:
        return asked
    return max(128, _TARGET_BYTES // itemsize // 8 * 8)


@njit(cache=True, nogil=True, error_model="numpy")
def _join_bits(rows, at, n, out):  # type: ignore[no-untyped-def]
    """Transpose eight rows of n bytes of bits, at rows[at], to 8 n bytes: out (>= n,) uint64."""
    r0 = rows[at : at + n]
    r1 = rows[at + n : at + 2 * n]
    r2 = rows[at + 2 * n : at + 3 * n]
    r3 = rows[at + 3 * n : at + 4 * n]
    r4 = rows[at + 4 * n : at + 5 * n]
    r5 = rows[at + 5 * n : at + 6 * n]
    r6 = rows[at + 6 * n : at + 7 * n]
    r7 = rows[at + 7 * n : at + 8 * n]
    for i in range(n):
        x = np.uint64(r0[i]) | (np.uint64(r1[i]) << np.uint64(8))
        x |= (np.uint64(r2[i]) << np.uint64(16)) | (np.uint64(r3[i]) << np.uint64(24))
        x |= (np.uint64(r4[i]) << np.uint64(32)) | (np.uint64(r5[i]) << np.uint64(40))
        x |= (np.uint64(r6[i]) << np.uint64(48)) | (np.uint64(r7[i]) << np.uint64(56))
        t = (x ^ (x >> _S7)) & _A
        x = x ^ t ^ (t << _S7)
        t = (x ^ (x >> _S14)) & _B
        x = x ^ t ^ (t << _S14)
        t = (x ^ (x >> _S28)) & _C
        out[i] = x ^ t ^ (t << _S28)


@njit(cache=True, nogil=True, error_model="numpy")
def _is_zero(rows, at, n):  # type: ignore[no-untyped-def]
    """Return True if the n (a multiple of 8) bytes from rows[at] on are zero."""
    end = at + n
    while at < end and load_word(rows, at) == 0:
        at += 8
    return at >= end


@njit(cache=True, nogil=True, error_model="numpy")
def _interleave(planes, n, itemsize, out, to):  # type: ignore[no-untyped-def]
    """Put n elements, the bytes of which are in planes (itemsize, >= n), to out[to], uint8."""
    if itemsize == 1:
        out[to : to + n] = planes[0, :n]
    elif itemsize == 2:
        p0, p1 = planes[0, :n], planes[1, :n]
        two = out[to : to + 2 * n].view(np.uint16)
        for i in range(n):
            two[i] = np.uint16(p0[i]) | (np.uint16(p1[i]) << np.uint16(8))
    elif itemsize == 4:
        p0, p1, p2, p3 = planes[0, :n], planes[1, :n], planes[2, :n], planes[3, :n]
        four = out[to : to + 4 * n].view(np.uint32)
        for i in range(n):
            low = np.uint32(p0[i]) | (np.uint32(p1[i]) << np.uint32(8))
            high = np.uint32(p2[i]) | (np.uint32(p3[i]) << np.uint32(8))
            four[i] = low | (high << np.uint32(16))
    else:
        for j in range(itemsize):
            for i in range(n):
                out[to + i * itemsize + j] = planes[j, i]


@njit(cache=True, nogil=True, error_model="numpy")
def _unshuffle(rows, at, n, itemsize, planes, out, to):  # type: ignore[no-untyped-def]
    """Put the n (a multiple of 8) elements whose bits are at rows[at] to out[to], uint8.

    planes : (itemsize, >= n) uint8, scratch: the bytes of the elements, lowest first.
    """
    for j in range(itemsize):
        if _is_zero(rows, at + j * n, n):
            planes[j, :n] = 0
        else:
            _join_bits(rows, at + j * n, n // 8, planes[j].view(np.uint64))
    _interleave(planes, n, itemsize, out, to)


@njit(cache=True, nogil=True, error_model="numpy")
def unshuffle(data, itemsize, block, planes, out):  # type: ignore[no-untyped-def]
    """Unshuffle data without LZ4: data and out (n,) uint8, blocks of `block` elements."""
    if data.size != out.size:
        return WRONG_SIZE
    n_left = out.size // itemsize
    to = np.int64(0)
    while n_left >= 8:
        n = min(block, n_left // 8 * 8)
        _unshuffle(data, to, n, itemsize, planes, out, to)
        to += n * itemsize
        n_left -= n
    out[to:] = data[to:]
    return OK


@njit(cache=True, nogil=True, error_model="numpy")
def decompress_lz4(data, itemsize, block, planes, rows, out):  # type: ignore[no-untyped-def]
    """Decompress and unshuffle: data behind its head of 12 bytes, out (n,) uint8.

    rows : (block * itemsize + `lz4.PADDING`,) uint8, scratch: the bits of one block.
    """
    at, to = np.int64(12), np.int64(0)
    n_left = out.size // itemsize
    while n_left >= 8:
        n = min(block, n_left // 8 * 8)
        if data.size - at < 4:
            return ENDS_EARLY
        compressed = big_endian(data, at, 4)
        at += 4
        if compressed > data.size - at:
            return ENDS_EARLY
        fault = decompress_block(data, at, at + compressed, rows, 0, n * itemsize)
        if fault != OK:
            return fault
        _unshuffle(rows, 0, n, itemsize, planes, out, to)
        at += compressed
        to += n * itemsize
        n_left -= n
    if data.size - at != out.size - to:
        return ENDS_EARLY if data.size - at < out.size - to else WRONG_SIZE
    out[to:] = data[at:]
    return OK
