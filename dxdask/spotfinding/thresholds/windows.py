"""Sums over a window that slides down a frame, row by row, with only a few rows in memory.

The sums of a window are those of its columns, updated by the row that enters and the row that
leaves, then summed along the row. All loops are over whole rows that lie in the cache, without
branches, so that the compiler can use vector instructions: eight pixels at a time.

Sums have 32 bits, in half the time of 64. Sums of integers that overflow are still right modulo
2^32, so they are right again when the bright pixel has left the window; meanwhile `wide_windows`
computes again, in 64 bits, the segments of a row that may have overflowed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

LARGEST = 1 << 24
"""Counts from here on are not summed: sums of their squares would not be exact (as in DIALS)."""

SEGMENT = 128
"""Pixels of a row that are processed together where counts are bright or states change."""

COUNTED = 2
"""Smallest state of a pixel that is in the sums. Below, but not 0: it can only be strong."""


class Window(NamedTuple):
    """Rows and sums of a window of half width (fast, slow) on frames of one shape.

    Arrays `..._column` are (fast + 2 * half_width[0],), 0 at both ends, outside the frame.

    Attributes
    ----------
    half_width : along fast and slow, pixels.
    values : (2 * slow + 3, fast) ring of rows, 0 where not counted; int32, or float32 for real
        numbers. The last row, of zeros, stands for those above and below the frame.
    bits : (2 * slow + 2, segments) bits set in the magnitudes of each segment of the rows with
        bright counts, 0 of the others.
    state : (slow + 1, whole segments) uint8, of the pixels, 0 right of the frame and in the last
        row, which stands for those above and below; words : the same, eight at a time.
    signal, signal_words : the same without that row, 1 where windows hold signal.
    code : (whole segments,) uint8, results of the test of one row, see `overdispersion`.
    n_column, x_column, y_column : number of values, their sum and that of their squares; n is
        int32, the others are of the dtype of `values`.
    n, x, y : (fast,) the same of the window around each pixel of a row.
    spare, real_spare : (2, as columns) for `sum_along_row`; int32, and of the dtype of `values`.
    x_wide, y_wide, wide_spare : (2, as columns) int64; first of columns, then of windows.
    number, reach : (fast,) float32, n, and the factor of x, see `overdispersion`.
    """

    half_width: tuple[int, int]
    values: NDArray[Any]
    bits: NDArray[np.int32]
    state: NDArray[np.uint8]
    words: NDArray[np.uint64]
    signal: NDArray[np.uint8]
    signal_words: NDArray[np.uint64]
    code: NDArray[np.uint8]
    n_column: NDArray[np.int32]
    x_column: NDArray[Any]
    y_column: NDArray[Any]
    n: NDArray[np.int32]
    x: NDArray[Any]
    y: NDArray[Any]
    spare: NDArray[np.int32]
    real_spare: NDArray[Any]
    x_wide: NDArray[np.int64]
    y_wide: NDArray[np.int64]
    wide_spare: NDArray[np.int64]
    number: NDArray[np.float32]
    reach: NDArray[np.float32]


def window_of(half_width: tuple[int, int], shape: tuple[int, int], dtype: np.dtype[Any]) -> Window:
    """Return the workspace for frames of `shape` (slow, fast) and `dtype`."""
    is_integer = np.issubdtype(dtype, np.integer)
    value = np.int32 if is_integer else np.float32
    height, width = shape
    rows, padded = 2 * half_width[1] + 2, width + 2 * half_width[0]
    segments = -(-width // SEGMENT)
    whole = segments * SEGMENT
    state, signal = (np.zeros((rows, whole), np.uint8) for rows in (height + 1, height))
    n_column, n = np.zeros(padded, np.int32), np.zeros(width, np.int32)
    x_column, y_column = np.zeros((2, padded), value)
    x, y = np.zeros((2, width), value)
    number, reach = np.zeros((2, width), np.float32)
    x_wide, y_wide, wide_spare = np.zeros((3, 2, padded), np.int64)
    return Window(
        half_width, np.zeros((rows + 1, width), value), np.zeros((rows, segments), np.int32),
        state, state.view(np.uint64), signal, signal.view(np.uint64), np.zeros(whole, np.uint8),
        n_column, x_column, y_column, n, x, y, np.zeros((2, padded), np.int32),
        np.zeros((2, padded), value), x_wide, y_wide, wide_spare, number, reach,
    )  # fmt: skip


class Limits(NamedTuple):
    """Counts from `low` to `high` are valid, from `least` to `most` also summed."""

    low: Any
    high: Any
    least: Any
    most: Any


@njit(cache=True, nogil=True, error_model="numpy")
def load_row(row: Any, mask: Any, limits: Any, values: Any, state: Any) -> None:
    """Copy one row, 0 where not counted; counts outside the limits and NaN are not valid."""
    zero = values.dtype.type(0)
    if limits.low >= limits.least and limits.high <= limits.most:
        # usually all valid counts are small enough to be summed
        for i in range(row.size):
            ok = mask[i] & (row[i] >= limits.low) & (row[i] <= limits.high)
            values[i] = row[i] if ok else zero
            state[i] = np.uint8(ok) * np.uint8(3)
        return
    for i in range(row.size):
        ok = mask[i] & (row[i] >= limits.low) & (row[i] <= limits.high)
        small = ok & (row[i] >= limits.least) & (row[i] <= limits.most)
        values[i] = row[i] if small else zero
        state[i] = np.uint8(ok) | (np.uint8(small) << np.uint8(1))


@njit(cache=True, nogil=True, error_model="numpy")
def exchange_values(new: Any, old: Any, x: Any, y: Any) -> None:
    """Add the values of one row to the sums of columns, and subtract those of another."""
    for i in range(new.size):
        difference = np.int32(new[i] - old[i])
        x[i] += difference
        y[i] += np.int32(difference * np.int32(new[i] + old[i]))


@njit(cache=True, nogil=True, error_model="numpy")
def is_beyond(values: Any, limit: Any) -> Any:
    """Return True if a row may have a count above `limit` or below 0; faster than comparing."""
    bits = np.int32(0)
    for i in range(values.size):
        bits = np.int32(bits | values[i])
    return bits > limit or bits < 0


@njit(cache=True, nogil=True, error_model="numpy")
def note_bits(values: Any, bits: Any) -> None:
    """Store the bits set in the magnitudes of each segment of a row."""
    for k in range(bits.size):
        bits[k] = 0
        for v in values[k * SEGMENT : (k + 1) * SEGMENT]:
            bits[k] |= v ^ (v >> np.int32(31))  # -1 - v becomes v, by the sign in all bits


@njit(cache=True, nogil=True, error_model="numpy")
def row_of_state(row: Any, height: Any) -> Any:
    """Return the row of `Window.state` of a row of the frame, or of one outside of it."""
    return row if 0 <= row < height else height


@njit(cache=True, nogil=True, error_model="numpy")
def find_changed(words: Any, new: Any, old: Any) -> Any:
    """Return the range of columns in which the state of two rows differs, in whole segments.

    Usually it is empty: bad pixels are the same from row to row, as in the gaps between modules,
    or far apart. words : (rows, n), of eight pixels.
    """
    size = words.shape[1]
    if not _differ(words, new, old, 0, size):
        return 0, 0
    per, start, stop = SEGMENT // 8, size, 0
    for first in range(0, size, per):
        if _differ(words, new, old, first, first + per):
            start, stop = min(start, first), first + per
    return 8 * start, 8 * stop


@njit(cache=True, nogil=True, error_model="numpy")
def exchange_counted(new: Any, old: Any, n: Any) -> None:
    """Add the counted pixels of one row to the counts of columns, and subtract those of another."""
    for i in range(n.size):
        n[i] += np.int32(new[i] >> np.uint8(1)) - np.int32(old[i] >> np.uint8(1))


@njit(cache=True, nogil=True, error_model="numpy")
def _differ(words: Any, new: Any, old: Any, first: Any, stop: Any) -> Any:
    differences = np.uint64(0)
    for i in range(first, stop):
        differences |= words[new, i] ^ words[old, i]
    return differences != 0


@njit(cache=True, nogil=True, error_model="numpy")
def sum_along_row(columns: Any, length: Any, spare: Any, sums: Any) -> None:
    """Sum the `length` columns from each on: sums[i] = columns[i] + ... + columns[i + length - 1].

    Sums of 1, 2, 4 ... columns are computed by doubling; those of the binary digits of `length`
    are added. In a running total each sum would depend on the one before. Seven, the usual length,
    are added directly, in half the time.
    """
    if length == 7:
        for i in range(sums.size):
            total = columns[i]
            for k in range(1, 7):
                total = columns.dtype.type(total + columns[i + k])
            sums[i] = total
        return
    power, offset, which = 1, 0, 0
    part = columns
    while True:
        if length & power:
            piece = part[offset:]
            if offset == 0:
                for i in range(sums.size):
                    sums[i] = piece[i]
            else:
                for i in range(sums.size):
                    sums[i] += piece[i]
            offset += power
        if 2 * power > length:
            break
        ahead, double = part[power:], spare[which]
        for i in range(columns.size - 2 * power + 1):
            double[i] = part[i] + ahead[i]
        part, power, which = double, 2 * power, 1 - which
