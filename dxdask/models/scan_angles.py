"""Angles and places along a scan whose images are not evenly spaced.

A place is counted in images from the start of the scan. Within an image the angle is linear in it;
beyond the ends images are as wide as usual.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dxdask.arrays import Floats


def angles_at(places: ArrayLike, borders: Floats, width: float) -> Floats:
    """Return the angles at places (any shape), in the unit of the borders.

    borders : (n_images + 1,), at the start of each image and the end of the last, ascending or
    descending. width : of an image beyond the ends, of the sign of their steps.
    """
    t, n = np.asarray(places, dtype=np.float64), len(borders) - 1
    i = np.clip(np.nan_to_num(np.floor(t)), 0, n - 1).astype(np.int64)
    inside = borders[i] + (t - i) * (borders[i + 1] - borders[i])
    before, after = borders[0] + t * width, borders[n] + (t - n) * width
    return np.asarray(np.where(t < 0.0, before, np.where(t > n, after, inside)))


def places_at(angles: ArrayLike, borders: Floats, width: float) -> Floats:
    """Return the places at angles (any shape): the inverse of `angles_at`."""
    phi, n, sign = np.asarray(angles, dtype=np.float64), len(borders) - 1, np.sign(width)
    i = np.clip(np.searchsorted(sign * borders, sign * phi, side="right") - 1, 0, n - 1)
    inside = i + (phi - borders[i]) / (borders[i + 1] - borders[i])
    before, after = (phi - borders[0]) / width, n + (phi - borders[n]) / width
    is_after = sign * (phi - borders[n]) > 0.0
    within = np.where(is_after, after, inside)
    return np.asarray(np.where(sign * (phi - borders[0]) < 0.0, before, within))
