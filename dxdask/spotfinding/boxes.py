"""Bounding boxes of spots, and the offsets of their pixels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Integers
from dxdask.models import Detector
from dxdask.spotfinding.offsets import offsets_of


class Boxes(NamedTuple):
    """Bounding boxes (n,) whose pixels are cut out of frames.

    Attributes
    ----------
    panel : (n,) int32.
    bbox : (n, 6) int32, x0 x1 y0 y1 z0 z1, half open, within the panel.
    offsets : (n + 1,) int64, first pixel of each box; in a box z by z, y by y, x fastest.
    """

    panel: NDArray[np.int32]
    bbox: NDArray[np.int32]
    offsets: Integers


def boxes_around(
    panel: NDArray[Any], bbox: NDArray[Any], detector: Detector, *, margin: int = 0
) -> Boxes:
    """Return bounding boxes (n, 6), `margin` pixels wider on each side within their panels."""
    sizes = np.array([p.image_size for p in detector.panels], np.int32)[panel]
    wide = np.array(bbox, np.int32).reshape(-1, 6)
    for axis in range(2):
        low, high = 2 * axis, 2 * axis + 1
        wide[:, low] = np.maximum(wide[:, low] - margin, 0)
        wide[:, high] = np.minimum(wide[:, high] + margin, sizes[:, axis])
    return Boxes(np.asarray(panel, np.int32), wide, offsets_of(volumes(wide)))


def volumes(bbox: NDArray[Any]) -> Integers:
    """Return the number of pixels (n,) of boxes (n, 6)."""
    x0, x1, y0, y1, z0, z1 = bbox.astype(np.int64).T
    return np.asarray((x1 - x0) * (y1 - y0) * (z1 - z0))


def overlapping(boxes: Boxes, first: int, stop: int) -> NDArray[np.intp]:
    """Return the indices of the boxes that overlap first <= z < stop."""
    return np.flatnonzero((boxes.bbox[:, 4] < stop) & (boxes.bbox[:, 5] > first))
