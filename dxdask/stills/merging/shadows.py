"""Observations behind a shadow, as of the arm of a beam stop: told by their background.

The background about a reflection is compared to what is usual at its resolution on its still, by
medians: a part for each still times one for each resolution. What an unmasked shadow dims would
merge as a weak intensity, and where nothing else shows the reflection, nothing would tell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BINS = 30
_SIGNIFICANT = 4.0  # standard deviations of the counts of the background
_ROUNDS = 3


def in_shadow(
    background: Floats, n_pixels: NDArray[np.int32], s2: Floats, still: Ints, least: float
) -> NDArray[np.bool_]:
    """Return which observations (n,) have a background below `least` of the usual one.

    background : mean, counts a pixel. n_pixels : that it is the mean of. s2 : |q|^2 / 2.
    still : (n,) place. What could be by chance is not told.
    """
    if not len(s2):
        return np.zeros(0, np.bool_)
    edges = np.quantile(s2, np.linspace(0, 1, _BINS + 1)[1:-1])
    ring = np.searchsorted(edges, s2)
    level, shape = np.ones(int(still.max()) + 1), np.ones(_BINS)
    for _ in range(_ROUNDS):
        level = _medians(background / shape[ring], still, len(level))
        shape = _medians(background / level[still], ring, _BINS)
    usual = level[still] * shape[ring]
    missing = (usual - background) * n_pixels
    by_chance = _SIGNIFICANT * np.sqrt(np.maximum(usual * n_pixels, 1.0))
    return np.asarray((background < least * usual) & (missing > by_chance))


def _medians(values: Floats, group: Ints, n: int) -> Floats:
    """Return the median (n,) of each group, 1 where there is none or none above 0."""
    order = np.lexsort((values, group))
    counts = np.bincount(group, minlength=n)
    first = np.cumsum(counts) - counts
    out = np.ones(n)
    full = counts > 0
    out[full] = values[order[first[full] + counts[full] // 2]]
    return np.where(out > 0, out, 1.0)
