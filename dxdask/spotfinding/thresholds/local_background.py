"""Which pixels of objects stand out from the background around them (Parkhurst et al. 2016).

The background is what is counted and in no object, in a window two pixels wider than that of the
dispersion.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.spotfinding.thresholds.windows import COUNTED, LARGEST


@njit(cache=True, nogil=True, error_model="numpy")
def find_strong_in_objects(
    image: Any,
    state: Any,
    objects: Any,
    index: Any,
    half_width: Any,
    gain: Any,
    sigma_s: Any,
    threshold: Any,
    n_column: Any,
    x_column: Any,
    strong: Any,
) -> None:
    """Mark the pixels v >= mean + sigma_s sqrt(g mean) of objects.

    Sums of columns are brought up to date row by row. For real numbers they then may be off by what
    was rounded off; pixels that this could decide are judged by a sum of their own.

    Parameters
    ----------
    image : (slow, fast).
    state, objects : (slow, fast) uint8, rows of `state` perhaps longer; `objects` are no longer
        counted in it afterwards.
    index : (n,) flat indices of the pixels of `objects`, ascending.
    half_width : (fast, slow) of the window of the background.
    gain : (slow or 1, fast).
    n_column, x_column : (fast + 2 * half_width[0],) workspace; int32, x float64 for real numbers.
    """
    height, width = image.shape
    fast, slow = half_width
    strong[:] = False
    if index.size == 0:
        return
    n_column[:], x_column[:] = 0, 0
    n_inner, x_inner = n_column[fast:][:width], x_column[fast:][:width]
    delta = 0.0
    if x_column.dtype.type(0.5) != 0:
        # that many terms, of at most LARGEST, each with a relative 2^-53 rounded off twice
        delta = 2.0**-52 * LARGEST * (height + slow) * (2 * slow + 1) * (2 * fast + 1)
    k = 0
    for r in range(height + slow):
        if r < height:
            _leave_out(objects[r], state[r])
            _enter(image[r], state[r], n_inner, x_inner)
        last, j = r - 2 * slow - 1, r - slow
        if last >= 0:
            _leave(image[last], state[last], n_inner, x_inner)
        if j >= 0:
            first = k
            while k < index.size and index[k] < (j + 1) * width:
                k += 1
            g = gain[j] if gain.shape[0] > 1 else gain[0]
            _mark(
                image, state, j, index[first:k], half_width, g, sigma_s, threshold, n_column,
                x_column, delta, strong[j],
            )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _mark(
    image: Any,
    state: Any,
    j: Any,
    index: Any,
    half_width: Any,
    gain: Any,
    sigma_s: Any,
    threshold: Any,
    n_column: Any,
    x_column: Any,
    delta: Any,
    strong: Any,
) -> None:
    """Mark those pixels of one row that stand out, x being known to within `delta`."""
    span = 2 * half_width[0] + 1
    for k in index:
        i = k - j * strong.size
        v = image[j, i]
        if v > threshold:
            n, x = n_column[i : i + span].sum(), x_column[i : i + span].sum()
            above = is_above(v, n, x + delta, gain[i], sigma_s)
            if delta > 0.0 and (x < delta or above != is_above(v, n, x - delta, gain[i], sigma_s)):
                x = sum_around(image, state, j, i, half_width)
                above = is_above(v, n, x, gain[i], sigma_s)
            strong[i] = above


@njit(cache=True, nogil=True, error_model="numpy")
def sum_around(image: Any, state: Any, j: Any, i: Any, half_width: Any) -> Any:
    """Return the sum of the counted pixels of one window, row by row, as float64."""
    fast, slow = half_width
    first, end = max(i - fast, 0), min(i + fast + 1, image.shape[1])
    x = 0.0
    for r in range(max(j - slow, 0), min(j + slow + 1, image.shape[0])):
        for f in range(first, end):
            x += np.float64(image[r, f]) if state[r, f] >= COUNTED else 0.0
    return x


@njit(cache=True, nogil=True, error_model="numpy")
def is_above(value: Any, n: Any, x: Any, gain: Any, sigma_s: Any) -> Any:
    """Whether a value stands out from n of sum x; from nothing where there are too few."""
    mean = np.float64(x) / n if n >= 2 else 0.0
    return (x >= 0) & (np.float64(value) >= mean + sigma_s * np.sqrt(gain * mean))


@njit(cache=True, nogil=True, error_model="numpy")
def _leave_out(objects: Any, state: Any) -> None:
    for i in range(objects.size):
        state[i] = state[i] & (np.uint8(3) - (objects[i] << np.uint8(1)))


@njit(cache=True, nogil=True, error_model="numpy")
def _enter(row: Any, state: Any, n: Any, x: Any) -> None:
    zero = x.dtype.type(0)
    for i in range(row.size):
        n[i] += np.int32(state[i] >> np.uint8(1))
        x[i] += x.dtype.type(row[i]) if state[i] >= COUNTED else zero


@njit(cache=True, nogil=True, error_model="numpy")
def _leave(row: Any, state: Any, n: Any, x: Any) -> None:
    zero = x.dtype.type(0)
    for i in range(row.size):
        n[i] -= np.int32(state[i] >> np.uint8(1))
        x[i] -= x.dtype.type(row[i]) if state[i] >= COUNTED else zero
