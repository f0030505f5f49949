"""The byte-offset compression of CBF files, undone.

Source: the CBFlib manual, x-CBF_BYTE_OFFSET; Hammersley, Bernstein & Westbrook (2006),
International Tables for Crystallography G, 2.3.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.errors import FormatError


@njit(cache=True, nogil=True, error_model="numpy")
def _decode(data, out):  # type: ignore[no-untyped-def]
    """Fill out (n,) int32 with sums of the differences in data (m,) uint8; how many came."""
    value = np.int64(0)
    at = 0
    end = data.size
    for i in range(out.size):
        if at >= end:
            return i
        width = 1
        delta = np.int64(np.int8(data[at]))
        at += 1
        # The lowest value of each width says that the difference follows in twice the width.
        if delta == -128:
            width = 2
        while width > 1:
            if at + width > end:
                return i
            delta = np.int64(0)
            for k in range(width):
                delta |= np.int64(data[at + k]) << (8 * k)
            at += width
            sign = np.int64(1) << (8 * width - 1)
            if width < 8:
                delta = (delta ^ sign) - sign
            if width < 8 and delta == -sign:
                width *= 2
            else:
                width = 0
        value += delta
        if value < -2147483648 or value > 2147483647:
            return i
        out[i] = value
    return out.size


def decode_byte_offset(data: NDArray[np.uint8], n_elements: int) -> NDArray[np.int32]:
    """Return n_elements numbers (n,) int32 from data (m,) uint8.

    Raises
    ------
    FormatError
        The data end before, or a number does not fit 32 bits.
    """
    if n_elements > data.size:
        raise FormatError(f"{n_elements} pixels are announced in {data.size} compressed bytes")
    out = np.empty(n_elements, dtype=np.int32)
    done = int(_decode(np.ascontiguousarray(data), out))
    if done != n_elements:
        raise FormatError(f"the compressed data end or go astray at pixel {done} of {n_elements}")
    return out
