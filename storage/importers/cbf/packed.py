"""Decompression of packed CBF files (CCP4-style).

Numbers are predicted from their neighbours, and the residuals are stored in groups: 3 bits for the
size of the group (1, 2, 4, .. 128), 3 bits for the width of its members, then the members, low bit
first. Source: the CBFlib manual, x-CBF_PACKED, after J. P. Abrahams' pack_c; the weights of
neighbours were derived from real images (CSPAD, CBFlib 0.9.5).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.errors import FormatError

_HEAD_BYTES = 32
_WIDTHS = np.array([0, 4, 5, 6, 7, 8, 16, 33], dtype=np.int64)


@njit(cache=True, nogil=True, error_model="numpy")
def _unpack(data, widths, out):  # type: ignore[no-untyped-def]
    """Fill out (n,) int64 with residuals from the bits of data (m,) uint8; return their number."""
    at = np.int64(0)
    end = np.int64(data.size) * 8
    done = 0
    while done < out.size:
        if at + 6 > end:
            return done
        head = np.int64(0)
        for k in range(6):
            head |= np.int64((data[(at + k) >> 3] >> ((at + k) & 7)) & 1) << k
        at += 6
        width = widths[head >> 3]
        count = min(np.int64(1) << (head & 7), out.size - done)
        if at + width * count > end:
            return done
        for _ in range(count):
            value = np.int64(0)
            got = np.int64(0)
            while got < width:
                shift = at & 7
                take = min(8 - shift, width - got)
                part = (np.int64(data[at >> 3]) >> shift) & ((np.int64(1) << take) - 1)
                value |= part << got
                got += take
                at += take
            if width > 0 and value >> (width - 1):
                value -= np.int64(1) << width
            out[done] = value
            done += 1
    return done


@njit(cache=True, nogil=True, error_model="numpy")
def _predict(values):  # type: ignore[no-untyped-def]
    """Convert residuals (section, slow, fast) int64 to numbers, in place."""
    n_sections, n_slow, n_fast = values.shape
    for s in range(n_sections):
        for y in range(n_slow):
            for x in range(n_fast):
                total = np.int64(0)
                count = 0
                if y == 0:
                    if x > 0:
                        total, count = values[s, y, x - 1], 1
                    elif s > 0:
                        total, count = values[s - 1, 0, 0], 1
                else:
                    for t in range(max(s - 1, 0), s + 1):
                        # The left and right edges lack one neighbour.
                        if x > 0:
                            total += values[s, y, x - 1] if t == s else values[t, y, x]
                            count += 1
                        if 0 < x < n_fast - 1:
                            total += values[t, y - 1, x - 1]
                            count += 1
                        total += values[t, y - 1, x]
                        count += 1
                        if x < n_fast - 1:
                            total += values[t, y - 1, x + 1]
                            count += 1
                if count > 1:
                    # count is 2, 4 or 8: rounded to the nearest, a half upwards.
                    total = (total + count // 2) // count
                values[s, y, x] += total


def decode_packed(data: NDArray[np.uint8], shape: tuple[int, int, int]) -> NDArray[np.int32]:
    """Return the numbers (section, slow, fast) int32 in data (m,) uint8.

    Raises
    ------
    FormatError
        The data end before, announce another number of elements, or do not fit 32 bits.
    """
    n_elements = shape[0] * shape[1] * shape[2]
    # A group of 128 equal to their prediction takes 6 bits: nothing is denser.
    if data.size < _HEAD_BYTES or n_elements > (data.size - _HEAD_BYTES) * 8 // 6 * 128 + 128:
        raise FormatError(f"{n_elements} pixels are announced in {data.size} compressed bytes")
    announced = int(np.frombuffer(data[:8].tobytes(), dtype="<u8")[0])
    if announced != n_elements:
        raise FormatError(f"{announced} packed pixels where the header announces {n_elements}")
    out = np.empty(shape, dtype=np.int64)
    done = int(_unpack(np.ascontiguousarray(data[_HEAD_BYTES:]), _WIDTHS, out.reshape(-1)))
    if done != n_elements:
        raise FormatError(f"the compressed data end at pixel {done} of {n_elements}")
    _predict(out)
    limits = np.iinfo(np.int32)
    if out.size and not (limits.min <= out.min() and out.max() <= limits.max):
        raise FormatError("packed pixels do not fit 32 bits; the data are damaged")
    return out.astype(np.int32)
