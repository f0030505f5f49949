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
    """List the signal with only signal within `radius`, fast or slow (Chebyshev); return its size.

    Pixels outside the frame do not erode.

    Parameters
    ----------
    signal : (slow, fast or more) uint8, 0 or 1.
    width : fast, pixels.
    row : (fast + 2 * radius,) uint8, workspace.
    kept : (whole words of 8,) uint8, words : the same as uint64; workspace.
    index : (slow * fast + 1,) int32, written: flat indices into the frame, ascending.
    """
    height = signal.shape[0]
    n: Any = 0
    row[:radius], row[radius + width :], kept[width:] = 1, 1, 0
    middle = row[radius : radius + width]
    near = min(radius, 1)
    for j in range(height):
        # rows beyond the frame are replaced by the last one in it, which is included in any case
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
    """Mark pixels that are marked in all three; return 0 if there are none."""
    found = np.uint8(0)
    for i in range(common.size):
        common[i] = a[i] & b[i] & c[i]
        found = np.uint8(found | common[i])
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _narrow(a: Any, b: Any, c: Any) -> None:
    # separate from _keep_common, which is fast only if its arrays do not overlap
    for i in range(a.size):
        a[i] &= b[i] & c[i]
