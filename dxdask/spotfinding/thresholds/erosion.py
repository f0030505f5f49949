"""Erosion of the marked pixels of a frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.spotfinding.thresholds.marked_pixels import list_marked


@njit(cache=True, nogil=True, error_model="numpy")
def list_eroded(
    signal: Any, radius: Any, width: Any, row: Any, kept: Any, words: Any, index: Any
) -> Any:
    """List the signal with no other pixel within `radius`, fast or slow (Chebyshev); count it.

    What lies outside the frame is not held against a pixel.

    Parameters
    ----------
    signal : (slow, fast or more) uint8, 0 or 1.
    width : fast, pixels.
    row : (fast + 2 * radius,) uint8, workspace.
    kept : (whole words of 8,) uint8, words : the same as uint64; workspace.
    index : (slow * fast + 1,) int32, where flat indices into the frame go, ascending.
    """
    height = signal.shape[0]
    n: Any = 0
    row[:radius], row[radius + width :], kept[width:] = 1, 1, 0
    middle = row[radius : radius + width]
    near = min(radius, 1)
    for j in range(height):
        # rows beyond the frame are taken to be the last one in it, which counts anyway
        above, below = signal[max(j - near, 0)], signal[min(j + near, height - 1)]
        if _keep_common(above, signal[j], below, middle) == 0:
            continue
        for k in range(2, radius + 1):
            _narrow(middle, signal[max(j - k, 0)], signal[min(j + k, height - 1)])
        _keep_common(row[radius - near :], middle, row[radius + near :], kept[:width])
        for k in range(2, radius + 1):
            _narrow(kept[:width], row[radius - k :], row[radius + k :])
        n = list_marked(words, kept, j * width, index, n)
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def _keep_common(a: Any, b: Any, c: Any, common: Any) -> Any:
    """Mark what is marked in all three; return 0 if nothing is."""
    found = np.uint8(0)
    for i in range(common.size):
        common[i] = a[i] & b[i] & c[i]
        found = np.uint8(found | common[i])
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _narrow(a: Any, b: Any, c: Any) -> None:
    # apart from _keep_common, whose arrays must not overlap if it is to be fast
    for i in range(a.size):
        a[i] &= b[i] & c[i]
