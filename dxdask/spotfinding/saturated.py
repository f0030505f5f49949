"""Saturated pixels of images, which the threshold does not use, and those that belong to spots."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.spotfinding.thresholds.marked_pixels import marked

REACH, REACH_Z = 2, 1
"""Largest distance, px and images, of a saturated pixel from the box of its spot.

A spot with a full core may not be strong on that image, as its window has a hole.
"""
MOST = 1024
"""Most saturated pixels of a panel on an image; more are not of spots, but not masked."""


def saturated_pixels(
    counts: NDArray[Any], mask: Mask, least: float
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return x and y of the saturated pixels, by row; none if there are more than `MOST`.

    counts : (slow, fast). mask : (slow, fast), True is good. least : count from which a pixel is
    saturated.
    """
    index = marked(counts >= least) if np.isfinite(least) else np.empty(0, np.int32)
    y, x = np.divmod(index, np.int32(max(counts.shape[1], 1)))
    good = mask[y, x]
    if np.count_nonzero(good) > MOST:
        good = np.zeros_like(good)
    return x[good].astype(np.int32), y[good].astype(np.int32)
