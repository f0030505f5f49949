"""Decompression of byte-offset CBF files.

Each number is stored as its difference from the one before, in one byte; the lowest value of a
width marks a difference that follows in twice the width, up to eight bytes.
Source: the CBFlib manual, x-CBF_BYTE_OFFSET; Hammersley, Bernstein & Westbrook (2006),
International Tables for Crystallography G, 2.3.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.storage.codecs.words import load_word

_LOW, _HIGH = np.int64(-(2**31)), np.int64(2**31 - 1)
_ONES, _TOPS = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)


@njit(cache=True, nogil=True, error_model="numpy")
def _wide(data, at):  # type: ignore[no-untyped-def]
    """Return the difference behind the byte -128 at data[at - 1], and its end (-1: none)."""
    width = 2
    while width <= 8:
        if at + width > data.size:
            return np.int64(0), np.int64(-1)
        delta = np.int64(0)
        for k in range(width):
            delta |= np.int64(data[at + k]) << (8 * k)
        at += width
        if width == 8:
            break
        sign = np.int64(1) << (8 * width - 1)
        delta = (delta ^ sign) - sign
        if delta != -sign:
            break
        width *= 2
    return delta, np.int64(at)


@njit(cache=True, nogil=True, error_model="numpy")
def _decode(data, out):  # type: ignore[no-untyped-def]
    """Fill out (n,) int32 with sums of the differences in data (m,) uint8; return their number."""
    value = np.int64(0)
    at = np.int64(0)
    i = np.int64(0)
    while i < out.size:
        # Eight at a time, as long as none of them is -128 and no sum can leave 32 bits.
        while at + 8 <= data.size and i + 8 <= out.size:
            word = load_word(data, at) ^ _TOPS
            if ((word - _ONES) & ~word & _TOPS) != 0:
                break
            if value < _LOW + 1024 or value > _HIGH - 1024:
                break
            for k in range(8):
                value += np.int64(np.int8(data[at + k]))
                out[i + k] = value
            at += 8
            i += 8
        if at >= data.size or i >= out.size:
            return i
        delta = np.int64(np.int8(data[at]))
        at += 1
        if delta == -128:
            delta, at = _wide(data, at)
            if at < 0 or delta < 2 * _LOW or delta > 2 * _HIGH + 1:
                return i
        value += delta
        if value < _LOW or value > _HIGH:
            return i
        out[i] = value
        i += 1
    return i


def decompress_byte_offset(data: NDArray[np.uint8], out: NDArray[np.int32]) -> None:
    """Fill out (n,) int32, contiguous, from data (m,) uint8.

    Raises
    ------
    FormatError
        The data end before, or a number does not fit 32 bits.
    """
    if out.size > data.size:
        raise FormatError(f"{out.size} pixels are announced in {data.size} compressed bytes")
    done = int(_decode(np.ascontiguousarray(data), out))
    if done != out.size:
        raise FormatError(f"the compressed data end or are invalid at pixel {done} of {out.size}")


def decode_byte_offset(data: NDArray[np.uint8], n_elements: int) -> NDArray[np.int32]:
    """Return n_elements numbers (n,) int32 from data (m,) uint8, as `decompress_byte_offset`."""
    if n_elements > data.size:  # before anything is allocated
        raise FormatError(f"{n_elements} pixels are announced in {data.size} compressed bytes")
    out = np.empty(n_elements, dtype=np.int32)
    decompress_byte_offset(data, out)
    return out
