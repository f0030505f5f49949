"""DIALS's automatic global threshold: the count at or below which no pixel is strong."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

LEVELS = np.array([int(1.5**i) for i in range(1, 20)], np.int64)
"""Counts at which the curve is computed: 1, 2, 3, 5, 7, 11 ... 2216."""


def estimate_global_threshold(image: NDArray[Any]) -> int:
    """Return the count above which the few bright pixels of an image lie, as DIALS does.

    The number of pixels above a count falls steeply and then levels off. The elbow is the point
    farthest from the chord between the steepest point and the end (Zhang et al. 2006, J. Appl.
    Cryst. 39, 112); the threshold is two levels below it.

    Parameters
    ----------
    image : (slow, fast), counts; all of them, without the mask, as in DIALS.

    Notes
    -----
    It is estimated for each image, so that it does not depend on blocks; DIALS uses that of the
    first image of each process. With the elbow at the first or second level it is the first level;
    DIALS takes one of the last there, by a negative index.
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
    """Add to `above` the numbers of values of an image (slow, fast) above each level."""
    for j in range(image.shape[0]):
        row = image[j]
        for k in range(levels.size):
            n, level = np.int32(0), levels[k]
            for i in range(row.size):
                n = np.int32(n + np.int32(row[i] > level))
            above[k] += n
