"""Erosion of the marked pixels of a frame."""

from __future__ import annotations

from typing import Any

from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def erode(signal: Any, radius: Any, row: Any, eroded: Any) -> None:
    """Keep the signal (slow, fast) with no other pixel within `radius`, fast or slow (Chebyshev).

    What lies outside the frame is not held against a pixel. eroded : (slow, fast). signal : of the
    same rows, perhaps longer. row : (fast + 2 radius,), workspace. All uint8, 0 or 1.
    """
    height, width = eroded.shape
    row[:radius], row[radius + width :] = 1, 1
    middle = row[radius : radius + width]
    for j in range(height):
        first, end = max(j - radius, 0), min(j + radius + 1, height)
        _keep_common(signal[first], signal[end - 1], middle)
        for r in range(first + 1, end - 1):
            _narrow(middle, signal[r])
        _keep_common(row, row[2 * radius :], eroded[j])
        for k in range(1, 2 * radius):
            _narrow(eroded[j], row[k:])


@njit(cache=True, nogil=True, error_model="numpy")
def _keep_common(a: Any, b: Any, common: Any) -> None:
    for i in range(common.size):
        common[i] = a[i] & b[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _narrow(a: Any, b: Any) -> None:
    # apart from _keep_common, whose arrays must not overlap if it is to be fast
    for i in range(a.size):
        a[i] &= b[i]
