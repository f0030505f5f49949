"""Pixels of objects above the background around them (Parkhurst et al. 2016).

The background consists of the counted pixels in no object, in a window two pixels wider than that
of the dispersion. Objects are few and their pixels lie side by side: columns are summed only there,
for a segment of a row at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.spotfinding.thresholds.windows import COUNTED

LANES = 16
"""Columns that are summed together, so that the compiler can use vector instructions."""


@njit(cache=True, nogil=True, error_model="numpy")
def find_strong_in_objects(
    image: Any,
    state: Any,
    index: Any,
    half_width: Any,
    gain: Any,
    sigma_s: Any,
    threshold: Any,
    columns: Any,
    sums: Any,
) -> Any:
    """Find the pixels v >= mean + sigma_s sqrt(g mean) of objects in a frame of integers.

    Returns their number.

    Parameters
    ----------
    image : (slow, fast).
    state : (slow, fast) uint8, or more; afterwards pixels in objects are not counted in it.
    index : (n,) int32, flat indices of the pixels of objects, ascending; afterwards those above
        the background come first, in the same order.
    half_width : (fast, slow) of the window of the background.
    gain : (slow or 1, fast).
    columns : (2, fast) int32, sums : (2, fast + 1) int64; workspace.
    """
    width = image.shape[1]
    fast, slow = half_width
    _leave_out(index, state, width)
    n_strong: Any = 0
    start, j = 0, 0
    while start < index.size:
        while index[start] >= (j + 1) * width:
            j += 1
        row = j * width
        stop = _segment(index, start, row + width)
        first, end = max(index[start] - row - fast, 0), min(index[stop - 1] - row + fast + 1, width)
        length = _whole_lanes(end - first, width)
        first = min(first, width - length)
        _sum_columns(image, state, j, slow, first, columns[0, :length], columns[1, :length])
        _accumulate(columns, length, sums)
        g = gain[j] if gain.shape[0] > 1 else gain[0]
        for k in index[start:stop]:
            i = k - row
            a, b = max(i - fast, 0) - first, min(i + fast + 1, width) - first
            n, x, v = sums[0, b] - sums[0, a], sums[1, b] - sums[1, a], image[j, i]
            index[n_strong] = k  # before the indices that are still to be tested
            n_strong += (v > threshold) & _is_above(v, n, np.float64(x), g[i], sigma_s)
        start = stop
    return n_strong


@njit(cache=True, nogil=True, error_model="numpy")
def find_strong_in_real_objects(
    image: Any, state: Any, index: Any, half_width: Any, gain: Any, sigma_s: Any, threshold: Any
) -> Any:
    """Find the same in a frame of real numbers, each window summed on its own, row by row."""
    width = image.shape[1]
    _leave_out(index, state, width)
    n_strong: Any = 0
    j = 0
    for k in index:
        while k >= (j + 1) * width:
            j += 1
        i = k - j * width
        g = gain[j] if gain.shape[0] > 1 else gain[0]
        if image[j, i] > threshold:
            n, x = _sum_around(image, state, j, i, half_width)
            index[n_strong] = k
            n_strong += _is_above(image[j, i], n, x, g[i], sigma_s)
    return n_strong


@njit(cache=True, nogil=True, error_model="numpy")
def _leave_out(index: Any, state: Any, width: Any) -> None:
    j = 0
    for k in index:
        while k >= (j + 1) * width:
            j += 1
        state[j, k - j * width] &= np.uint8(1)


@njit(cache=True, nogil=True, error_model="numpy")
def _segment(index: Any, start: Any, row_end: Any) -> Any:
    """Return the end of the pixels from `start` on that are near each other and in one row."""
    stop = start + 1
    while stop < index.size and index[stop] < row_end and index[stop] - index[stop - 1] <= LANES:
        stop += 1
    return stop


@njit(cache=True, nogil=True, error_model="numpy")
def _whole_lanes(length: Any, width: Any) -> Any:
    return min(-(-length // LANES) * LANES, width)


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_columns(image: Any, state: Any, j: Any, slow: Any, first: Any, n: Any, x: Any) -> None:
    """Count and sum columns from `first` on, over the rows around j."""
    n[:], x[:] = 0, 0
    end = first + n.size
    for r in range(max(j - slow, 0), min(j + slow + 1, image.shape[0])):
        values, states = image[r, first:end], state[r, first:end]
        for i in range(n.size):
            n[i] += np.int32(states[i] >> np.uint8(1))
        for i in range(x.size):
            x[i] += np.int32(values[i]) if states[i] >= COUNTED else np.int32(0)


@njit(cache=True, nogil=True, error_model="numpy")
def _accumulate(columns: Any, length: Any, sums: Any) -> None:
    """Accumulate along the row: sums[:, b] - sums[:, a] are those of the columns a <= i < b."""
    n, x = np.int64(0), np.int64(0)
    sums[0, 0], sums[1, 0] = n, x
    for i in range(length):
        n += columns[0, i]
        x += columns[1, i]
        sums[0, i + 1], sums[1, i + 1] = n, x


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_around(image: Any, state: Any, j: Any, i: Any, half_width: Any) -> Any:
    """Return number and sum of the counted pixels of one window, as int64 and float64."""
    fast, slow = half_width
    first, end = max(i - fast, 0), min(i + fast + 1, image.shape[1])
    n, x = np.int64(0), 0.0
    for r in range(max(j - slow, 0), min(j + slow + 1, image.shape[0])):
        for f in range(first, end):
            counted = state[r, f] >= COUNTED
            n += counted
            x += np.float64(image[r, f]) if counted else 0.0
    return n, x


@njit(cache=True, nogil=True, error_model="numpy")
def _is_above(value: Any, n: Any, x: Any, gain: Any, sigma_s: Any) -> Any:
    """Return True if a value exceeds the background of n pixels of sum x; False for too few."""
    mean = x / n if n >= 2 else 0.0
    return (x >= 0) & (np.float64(value) >= mean + sigma_s * np.sqrt(gain * mean))
