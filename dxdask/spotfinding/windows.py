"""Sums over a window that slides down a frame, row by row, with only a few rows in memory.

The sums of a window are those of its columns, brought up to date by the row that enters and the row
that leaves, then differences of their running total along the row. Integers stay integers, so
that the sums are exact and equal those of a summed-area table whatever the path taken.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

LARGEST = 1 << 24
"""Counts this large are left out of sums: their squares would not add up exactly (as in DIALS)."""


class Window(NamedTuple):
    """Rows and sums of a window of half width (fast, slow) on frames of one width.

    Attributes
    ----------
    half_width : along fast and slow, pixels.
    values : (2 * slow + 2, fast) ring of rows, 0 where not counted; int32, or float64 for real
        numbers.
    valid : the same, which pixels are good; counted : which of them are in the sums.
    n_column, x_column, y_column : (fast,) number of values, their sum and that of their squares.
    n_total, x_total, y_total : (fast + 2 * half_width[0] + 1,) running totals of those along the
        row.
    """

    half_width: tuple[int, int]
    values: NDArray[Any]
    valid: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    n_column: NDArray[np.int32]
    x_column: NDArray[Any]
    y_column: NDArray[Any]
    n_total: NDArray[np.int32]
    x_total: NDArray[Any]
    y_total: NDArray[Any]


def window_of(half_width: tuple[int, int], width: int, dtype: np.dtype[Any]) -> Window:
    """Return the workspace for frames of `width` pixels (fast) and `dtype`."""
    is_integer = np.issubdtype(dtype, np.integer)
    value, total = (np.int32, np.int64) if is_integer else (np.float64, np.float64)
    rows, padded = 2 * half_width[1] + 2, width + 2 * half_width[0] + 1
    return Window(
        half_width,
        np.zeros((rows, width), value),
        np.zeros((rows, width), np.bool_),
        np.zeros((rows, width), np.bool_),
        np.zeros(width, np.int32),
        np.zeros(width, total),
        np.zeros(width, total),
        np.zeros(padded, np.int32),
        np.zeros(padded, total),
        np.zeros(padded, total),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def reset(window: Any) -> None:
    """Empty the window before the first row of a frame."""
    window.n_column[:] = 0
    window.x_column[:] = 0
    window.y_column[:] = 0


@njit(cache=True, nogil=True, error_model="numpy")
def load_row(
    row: Any, mask: Any, lowest: Any, highest: Any, values: Any, valid: Any, counted: Any
) -> None:
    """Copy one row, 0 where not counted; what leaves [lowest, highest] or is NaN is not valid."""
    zero = values.dtype.type(0)
    for i in range(row.size):
        ok = mask[i] & (row[i] >= lowest) & (row[i] <= highest)
        small = ok & (row[i] < LARGEST) & (row[i] > -LARGEST)
        valid[i] = ok
        counted[i] = small
        values[i] = row[i] if small else zero


@njit(cache=True, nogil=True, error_model="numpy")
def _add(values: Any, counted: Any, n: Any, x: Any, y: Any) -> None:
    for i in range(values.size):
        v = x.dtype.type(values[i])
        n[i] += counted[i]
        x[i] += v
        y[i] += v * v


@njit(cache=True, nogil=True, error_model="numpy")
def _subtract(values: Any, counted: Any, n: Any, x: Any, y: Any) -> None:
    for i in range(values.size):
        v = x.dtype.type(values[i])
        n[i] -= counted[i]
        x[i] -= v
        y[i] -= v * v


@njit(cache=True, nogil=True, error_model="numpy")
def _totals(columns: Any, half_width: Any, totals: Any) -> None:
    """Running totals: that of the window around i is totals[i + 2 * half_width + 1] - totals[i]."""
    width = columns.size
    sum_ = totals.dtype.type(0)
    totals[: half_width + 1] = sum_
    inside = totals[half_width + 1 :]
    for i in range(width):
        sum_ += columns[i]
        inside[i] = sum_
    inside[width:] = sum_


@njit(cache=True, nogil=True, error_model="numpy")
def advance(
    window: Any, r: Any, image: Any, mask: Any, lowest: Any, highest: Any, exact: Any
) -> None:
    """Let row `r` of the frame enter the window and row r - (2 * half_width + 1) leave it.

    exact: whether sums are of integers; of real numbers the columns are summed anew for each row,
    so that what a bright pixel rounds off is gone when it is.
    """
    height = image.shape[0]
    n_rows = window.values.shape[0]
    if r < height:
        slot = r % n_rows
        load_row(
            image[r], mask[r], lowest, highest,
            window.values[slot], window.valid[slot], window.counted[slot],
        )  # fmt: skip
    n, x, y = window.n_column, window.x_column, window.y_column
    last = r - n_rows + 1  # the row that leaves
    if exact:
        if r < height:
            _add(window.values[r % n_rows], window.counted[r % n_rows], n, x, y)
        if last >= 0:
            _subtract(window.values[last % n_rows], window.counted[last % n_rows], n, x, y)
    else:
        reset(window)
        for s in range(max(last + 1, 0), min(r + 1, height)):
            _add(window.values[s % n_rows], window.counted[s % n_rows], n, x, y)


@njit(cache=True, nogil=True, error_model="numpy")
def sum_along_row(window: Any) -> None:
    """Bring the running totals up to date with the columns."""
    half = window.half_width[0]
    _totals(window.n_column, half, window.n_total)
    _totals(window.x_column, half, window.x_total)
    _totals(window.y_column, half, window.y_total)
