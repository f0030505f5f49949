"""Byte-offset compression of CBF files: differences in as few bytes as possible.

Source: as `byte_offset`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True, error_model="numpy")
def _encode(values, out, write):  # type: ignore[no-untyped-def]
    """Return the number of bytes of the differences of values (n,) int32; write them to out."""
    before, at = np.int64(0), np.int64(0)
    for value in values:
        delta = np.int64(value) - before
        before = np.int64(value)
        width = 1
        while width < 8:
            lowest = -(np.int64(1) << (8 * width - 1))
            if lowest < delta < -lowest:
                break
            if write:  # the lowest value of a width marks a wider one
                for k in range(width):
                    out[at + k] = (lowest >> (8 * k)) & 0xFF
            at += width
            width *= 2
        if write:
            for k in range(width):
                out[at + k] = (delta >> (8 * k)) & 0xFF
        at += width
    return at


def encode_byte_offset(values: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return numbers of any shape, int32, as compressed bytes (m,) uint8."""
    flat = np.ascontiguousarray(values, dtype=np.int32).ravel()
    nothing = np.empty(0, dtype=np.uint8)
    out = np.empty(int(_encode(flat, nothing, False)), dtype=np.uint8)
    _encode(flat, out, True)
    return out
