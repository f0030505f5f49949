"""Saturated pixels of spots: beside strong ones, which the threshold does not see."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Mask

REACH = 2
"""Largest distance, px along x and y, of a saturated pixel from a strong one of its spot."""


def saturated_beside(
    counts: NDArray[Any], mask: Mask, x: NDArray[np.int32], y: NDArray[np.int32], least: float
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return x and y of the saturated pixels within `REACH` of strong ones, by row.

    counts : (slow, fast). mask : (slow, fast), True is good. x, y : (n,) of the strong pixels.
    least : count from which a pixel is saturated.
    """
    none = np.empty(0, np.int32)
    # few images have any
    if not x.size or not np.isfinite(least) or not counts.max() >= least:
        return none, none
    height, width = counts.shape
    found = []
    for dy in range(-REACH, REACH + 1):
        for dx in range(-REACH, REACH + 1):
            i, j = np.clip(x + dx, 0, width - 1), np.clip(y + dy, 0, height - 1)
            here = np.flatnonzero(counts[j, i] >= least)
            found.append(j[here].astype(np.int64) * width + i[here])
    index = np.unique(np.concatenate(found))
    at_y, at_x = np.divmod(index, width)
    good = mask[at_y, at_x]
    return at_x[good].astype(np.int32), at_y[good].astype(np.int32)
