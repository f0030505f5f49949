"""The count at or below which no pixel of an image is strong, found from the image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

LEVELS = np.array([int(1.5**i) for i in range(1, 20)], np.int64)
"""Counts at which the curve is taken: 1, 2, 3, 5, 7, 11 ... 2216."""


def estimate_global_threshold(image: NDArray[Any]) -> int:
    """Return the count above which the few bright pixels of an image lie, as DIALS does.

    The curve of how many pixels are above a count falls steeply and then levels off. The elbow is
    the point farthest from the chord between where the fall is steepest and the end (Zhang et al.
    2006, J. Appl. Cryst. 39, 112); to be on the safe side the answer is two levels before it.

    Parameters
    ----------
    image : (slow, fast), counts; all of them, whatever the mask, as in DIALS.

    Notes
    -----
    Found for each image, so that it does not depend on how a run is cut; DIALS keeps that of the
    first image each process sees. With the elbow at the first or second level the answer is the
    first; DIALS counts on from the last there, by a negative index.
    """
    above = np.zeros(LEVELS.size, np.int64)
    is_integer = np.issubdtype(image.dtype, np.integer)
    largest = np.iinfo(image.dtype).max if is_integer else np.inf
    levels = LEVELS[np.less_equal(LEVELS, largest)].astype(image.dtype)
    _count_above(image, levels, above)
    x, y = LEVELS.astype(np.float64), above.astype(np.float64)
    start = int(np.argmin((y[-1] - y[:-1]) / (x[-1] - x[:-1])))
    across = np.array([y[-1] - y[start], x[start] - x[-1]])
    across /= np.hypot(across[0], across[1])
    distance = np.abs(across[0] * (x[start] - x[start:]) + across[1] * (y[start] - y[start:]))
    elbow = start + int(np.argmax(distance))
    return int(LEVELS[max(elbow - 2, 0)])


@njit(cache=True, nogil=True, error_model="numpy")
def _count_above(image: Any, levels: Any, above: Any) -> None:
    """Add to `above` how many values of an image (slow, fast) are above each level."""
    for j in range(image.shape[0]):
        row = image[j]
        for k in range(levels.size):
            n, level = np.int32(0), levels[k]
            for i in range(row.size):
                n = np.int32(n + np.int32(row[i] > level))
            above[k] += n
