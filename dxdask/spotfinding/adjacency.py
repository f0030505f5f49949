"""Adjacency of spots in two lists: pixels at the same place on consecutive frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.arrays import Integers
from dxdask.spotfinding.extract import Pixels


def adjacent_labels(
    before: Pixels, label_before: Integers, behind: Pixels, label_behind: Integers
) -> Integers:
    """Return the pairs (n, 2) of labels whose pixels share a face between two consecutive frames:
    the last of `before` and the first of `behind`.

    Both lists are in order of z, panel, y, x.
    """
    if not (before.z.size and behind.z.size):
        return np.empty((0, 2), np.int64)
    start = int(np.searchsorted(before.z, before.z[-1]))
    stop = int(np.searchsorted(behind.z, behind.z[0], side="right"))
    pairs = np.empty((min(before.z.size - start, stop), 2), np.int64)
    n = _match(before, start, label_before, behind, stop, label_behind, pairs)
    return pairs[:n]


@njit(cache=True, nogil=True, error_model="numpy")
def _match(
    before: Any,
    start: Any,
    label_before: Any,
    behind: Any,
    stop: Any,
    label_behind: Any,
    pairs: Any,
) -> int:
    i, j, n = start, 0, 0
    while i < before.z.size and j < stop:
        a = (before.panel[i], before.y[i], before.x[i])
        b = (behind.panel[j], behind.y[j], behind.x[j])
        if a == b:
            pairs[n, 0], pairs[n, 1] = label_before[i], label_behind[j]
            n += 1
        if a <= b:
            i += 1
        if b <= a:
            j += 1
    return n
