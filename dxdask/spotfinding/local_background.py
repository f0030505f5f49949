"""Which pixels of objects stand out from the background around them (Parkhurst et al. 2016).

The background is what is counted and in no object, in a window two pixels wider than that of the
dispersion.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.spotfinding.windows import COUNTED


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
    """Mark the pixels v >= mean + sigma_s sqrt(g mean) of objects in a frame of integers.

    Parameters
    ----------
    state, objects : (slow, fast) uint8, rows of `state` perhaps longer; `objects` are no longer
        counted in it.
    index : (n,) flat indices of the pixels of `objects`, ascending.
    half_width : (fast, slow) of the window of the background.
    gain : (slow or 1, fast).
    n_column, x_column : (fast + 2 * half_width[0],) int32, workspace.
    """
    height, width = image.shape
    fast, slow = half_width
    strong[:] = False
    n_column[:], x_column[:] = 0, 0
    n_inner, x_inner = n_column[fast:][:width], x_column[fast:][:width]
    k = 0
    if index.size == 0:
        return
    for r in range(height + slow):
        if r < height:
            _leave_out(objects[r], state[r])
            _enter(image[r], state[r], n_inner, x_inner)
        last, j = r - 2 * slow - 1, r - slow
        if last >= 0:
            _leave(image[last], state[last], n_inner, x_inner)
        if j >= 0:
            g = gain[j] if gain.shape[0] > 1 else gain[0]
            while k < index.size and index[k] < (j + 1) * width:
                i = index[k] - j * width
                k += 1
                if image[j, i] > threshold:
                    n, x = np.int64(0), np.int64(0)
                    for f in range(i, i + 2 * fast + 1):
                        n += n_column[f]
                        x += x_column[f]
                    strong[j, i] = is_above(image[j, i], n, x, g[i], sigma_s)


@njit(cache=True, nogil=True, error_model="numpy")
def find_strong_in_objects_of_reals(
    image: Any,
    state: Any,
    objects: Any,
    index: Any,
    half_width: Any,
    gain: Any,
    sigma_s: Any,
    threshold: Any,
    strong: Any,
) -> None:
    """Mark the same in a frame of real numbers.

    The background is added up anew for each pixel, as a running sum would keep what it rounds off.
    """
    height, width = image.shape
    fast, slow = half_width
    strong[:] = False
    for r in range(height):
        _leave_out(objects[r], state[r])
    for k in index:
        j = k // width
        i = k - j * width
        if image[j, i] > threshold:
            n, x = np.int64(0), 0.0
            first, end = max(i - fast, 0), min(i + fast + 1, width)
            for r in range(max(j - slow, 0), min(j + slow + 1, height)):
                row, counted = image[r], state[r]
                for f in range(first, end):
                    good = counted[f] >= COUNTED
                    n += good
                    x += np.float64(row[f]) if good else 0.0
            g = gain[j, i] if gain.shape[0] > 1 else gain[0, i]
            strong[j, i] = is_above(image[j, i], n, x, g, sigma_s)


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
    for i in range(row.size):
        n[i] += np.int32(state[i] >> np.uint8(1))
        x[i] += np.int32(row[i]) if state[i] >= COUNTED else np.int32(0)


@njit(cache=True, nogil=True, error_model="numpy")
def _leave(row: Any, state: Any, n: Any, x: Any) -> None:
    for i in range(row.size):
        n[i] -= np.int32(state[i] >> np.uint8(1))
        x[i] -= np.int32(row[i]) if state[i] >= COUNTED else np.int32(0)
