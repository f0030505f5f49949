"""Sums over a window that slides down a frame, row by row, with only a few rows in memory.

The sums of a window are those of its columns, brought up to date by the row that enters and the row
that leaves, then added along the row. All loops are over whole rows that lie in the cache, without
branches, so that the compiler makes vector instructions of them: eight pixels at a time.

They hold 32 bits: half as long, they take half the time of 64. Sums of integers that overflow are
still right modulo 2^32, so they come right again when the bright pixel has left the window;
meanwhile `wide_windows` adds up anew, in 64 bits, the stretches of a row where they may have.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

LARGEST = 1 << 24
"""Counts this large are left out of sums: their squares would not add up exactly (as in DIALS)."""

STRETCH = 128
"""Pixels of a row that are looked at together where something is out of the ordinary."""

COUNTED = 2
"""State of a pixel from here on: it is in the sums. Below, but not 0: it may only be strong."""


class Window(NamedTuple):
    """Rows and sums of a window of half width (fast, slow) on frames of one shape.

    Arrays `..._column` are (fast + 2 * half_width[0],), 0 at both ends, where no pixels are.

    Attributes
    ----------
    half_width : along fast and slow, pixels.
    values : (2 * slow + 3, fast) ring of rows, 0 where not counted; int32, or float32 for real
        numbers. The last row, of zeros, stands for those above and below the frame.
    bits : (2 * slow + 2, stretches) bits set in the magnitudes of each stretch of the rows with
        bright counts, 0 of the others.
    state : (slow + 1, whole stretches) uint8, of the pixels, 0 right of the frame and in the last
        row, which stands for those above and below; words : the same, eight at a time.
    signal, signal_words : the same without that row, which windows hold signal.
    code : (whole stretches,) uint8, what is made of one row, see `overdispersion`.
    n_column, x_column, y_column : number of values, their sum and that of their squares; n is
        int32, the others are of the dtype of `values`.
    n, x, y : (fast,) the same of the window around each pixel of a row.
    spare, real_spare : (2, as columns) for `sum_along_row`; int32, and of the dtype of `values`.
    x_wide, y_wide, wide_spare : (2, as columns) int64; first of columns, then of windows.
    number, reach : (fast,) float32, n, and what x is multiplied with, see `overdispersion`.
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
    stretches = -(-width // STRETCH)
    whole = stretches * STRETCH
    state, signal = (np.zeros((rows, whole), np.uint8) for rows in (height + 1, height))
    n_column, n = np.zeros(padded, np.int32), np.zeros(width, np.int32)
    x_column, y_column = np.zeros((2, padded), value)
    x, y = np.zeros((2, width), value)
    number, reach = np.zeros((2, width), np.float32)
    x_wide, y_wide, wide_spare = np.zeros((3, 2, padded), np.int64)
    return Window(
        half_width, np.zeros((rows + 1, width), value), np.zeros((rows, stretches), np.int32),
        state, state.view(np.uint64), signal, signal.view(np.uint64), np.zeros(whole, np.uint8),
        n_column, x_column, y_column, n, x, y, np.zeros((2, padded), np.int32),
        np.zeros((2, padded), value), x_wide, y_wide, wide_spare, number, reach,
    )  # fmt: skip


class Limits(NamedTuple):
    """Counts from `low` to `high` are valid, from `least` to `most` also added up."""

    low: Any
    high: Any
    least: Any
    most: Any


@njit(cache=True, nogil=True, error_model="numpy")
def load_row(row: Any, mask: Any, limits: Any, values: Any, state: Any) -> None:
    """Copy one row, 0 where not counted; what leaves the limits or is NaN is not valid."""
    zero = values.dtype.type(0)
    if limits.low >= limits.least and limits.high <= limits.most:
        # as a rule all that is valid is small enough to be counted
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
    """Let the values of one row enter the sums of columns and those of another leave them."""
    for i in range(new.size):
        difference = np.int32(new[i] - old[i])
        x[i] += difference
        y[i] += np.int32(difference * np.int32(new[i] + old[i]))


@njit(cache=True, nogil=True, error_model="numpy")
def is_beyond(values: Any, limit: Any) -> Any:
    """Whether a row may have a count above `limit`, or one below 0; quicker than to compare."""
    bits = np.int32(0)
    for i in range(values.size):
        bits = np.int32(bits | values[i])
    return bits > limit or bits < 0


@njit(cache=True, nogil=True, error_model="numpy")
def note_bits(values: Any, bits: Any) -> None:
    """Note the bits set in the magnitudes of each stretch of a row."""
    for k in range(bits.size):
        bits[k] = 0
        for v in values[k * STRETCH : (k + 1) * STRETCH]:
            bits[k] |= v ^ (v >> np.int32(31))  # the sign, spread over v, turns -1 - v into v


@njit(cache=True, nogil=True, error_model="numpy")
def row_of_state(row: Any, height: Any) -> Any:
    """Return which row of `Window.state` stands for a row of the frame, or one outside of it."""
    return row if 0 <= row < height else height


@njit(cache=True, nogil=True, error_model="numpy")
def find_changed(words: Any, new: Any, old: Any) -> Any:
    """Return the range of columns in which the state of two rows differs, in whole stretches.

    As a rule it is empty: bad pixels are the same from row to row, as in the gaps between modules,
    or far apart. words : (rows, n), of eight pixels.
    """
    size = words.shape[1]
    if not _differ(words, new, old, 0, size):
        return 0, 0
    per, start, stop = STRETCH // 8, size, 0
    for first in range(0, size, per):
        if _differ(words, new, old, first, first + per):
            start, stop = min(start, first), first + per
    return 8 * start, 8 * stop


@njit(cache=True, nogil=True, error_model="numpy")
def exchange_counted(new: Any, old: Any, n: Any) -> None:
    """Let the pixels counted in one row enter the numbers of columns, those of another leave."""
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

    Sums of 1, 2, 4 ... columns are made by doubling; those that `length` is made of are added.
    A running total would have each sum wait for the one before. Seven, the usual length, are added
    at once, in half the time.
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
