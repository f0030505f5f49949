"""Keys of pixels: their index among the pixels of all panels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Integers
from dxdask.models import Detector
from dxdask.spotfinding.extract import Pixels


def keys_of(pixels: Pixels, detector: Detector) -> tuple[NDArray[np.int32], Integers]:
    """Return for pixels (n,) the width of their panel, and their index among those of all panels,
    panel by panel, row by row.
    """
    widths = np.array([p.image_size[0] for p in detector.panels], np.int32)
    areas = np.array([p.image_size[0] * p.image_size[1] for p in detector.panels], np.int64)
    width = widths[pixels.panel]
    key = np.multiply(pixels.y, width, dtype=np.int64)
    key += pixels.x
    if len(areas) > 1:
        key += (np.cumsum(areas) - areas)[pixels.panel]
    return width, key
