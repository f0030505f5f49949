"""Means over the regions of a detector, from coarse to fine."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models import Detector

_SIDE = 48  # px, no region is smaller
_DEEPEST = 6


class RegionMeans(NamedTuple):
    """Means over regions; each panel has as many along x as along y.

    values: (panel, n, n), y before x. size: (panel, 2) px, of the panels.
    """

    values: Floats
    size: Floats

    def at(self, panel: NDArray[np.int32], x: Floats, y: Floats) -> Floats:
        """Return the means (n,) at positions (px) on the panels; at the nearest off them."""
        n = self.values.shape[1]
        return np.asarray(self.values.ravel()[_region(self.size, panel, x, y, n)])


class DetectorPositions(NamedTuple):
    """Positions on a detector; panel, x, y: (n,), px."""

    detector: Detector
    panel: NDArray[np.int32]
    x: Floats
    y: Floats


def region_means(
    places: DetectorPositions,
    *,
    first: float,
    value: Floats,
    unit: Floats,
    weight: Floats,
    clip: Floats,
    spread: float,
) -> RegionMeans:
    """Return robust means m with value = m unit over the regions of a detector.

    The first mean is refined for the panels, their quarters, the quarters of those and so on: the
    mean of a region is that of the one it is part of, plus a step by its own values. So the mean of
    a region with few values is that of a larger one.

    Parameters
    ----------
    places : of the n values.
    first : mean of the whole detector, to begin with.
    value, unit : (n,).
    weight : (n,), of value - m unit; it should not depend on the errors of the two. weight * unit
        is one over the variance of the mean by that value.
    clip : (n,), largest absolute difference; larger ones are clipped.
    spread : standard deviation of a region's mean from that of the one it is part of.
    """
    size = np.array([p.image_size for p in places.detector.panels], dtype=np.float64)
    side = max(float(size.max()) / _SIDE, 1.0)
    means = np.full((len(size), 1, 1), first)
    for level in range(min(int(np.log2(side)), _DEEPEST) + 1):
        n = 1 << level
        if level:
            means = means.repeat(2, axis=1).repeat(2, axis=2)
        where = _region(size, places.panel, places.x, places.y, n)
        off = np.clip(value - means.ravel()[where] * unit, -clip, clip)
        total = np.bincount(where, weight * unit, minlength=means.size)
        moved = np.bincount(where, weight * off, minlength=means.size)
        step = moved / (np.maximum(total, 0.0) + 1.0 / spread**2)
        means = means + step.reshape(means.shape)
    return RegionMeans(means, size)


def _region(
    size: Floats, panel: NDArray[np.int32], x: Floats, y: Floats, n: int
) -> NDArray[np.int64]:
    xy = np.stack([x, y], axis=1) * n / size[panel]
    ix, iy = np.clip(np.floor(xy), 0, n - 1).astype(np.int64).T
    return np.asarray((panel.astype(np.int64) * n + iy) * n + ix)
