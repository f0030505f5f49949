"""Quantities along a scan, of stretches with enough spots, smoothed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats

FEWEST = 4
"""Number of stretches below which a quantity is not followed along the scan."""
_MOST = 64
_SPOTS = 100  # least number of spots of a stretch
_RATIOS = np.concatenate([[0.0], np.geomspace(1e-1, 1e7, 49)])


def stretches(place: Floats, min_spots: int, n_images: int) -> list[NDArray[np.int64]]:
    """Return the rows of stretches of a scan with equal numbers of spots, along the scan.

    place : (n,), of spots along the scan. min_spots : of a stretch, and at least 100; there are at
        most 64 stretches, and one an image.
    """
    n = min(len(place) // max(min_spots, _SPOTS), _MOST, n_images)
    if n < 1:
        return []
    order = np.argsort(place, kind="stable").astype(np.int64)
    return [np.sort(rows) for rows in np.array_split(order, n)]


def smooth_by_image(at: Floats, values: Floats, n_images: int) -> Floats:
    """Return the smooth values (n_images,) at the middle of each image.

    The values (k,) at places `at` (k,), images, k > 2, have equal errors; the true ones are a
    straight line and an integrated random walk along the scan, which is a cubic spline. The best
    linear prediction is returned, with the ratio of the two variances by restricted maximum
    likelihood: values that differ from a line by their errors only become one. Source: Wahba
    (1985), Ann. Statist. 13, 1378.
    """
    t, image = at / n_images, (np.arange(n_images) + 0.5) / n_images
    walk, line = _walk(t, t), np.stack([np.ones_like(t), t], axis=1)
    best, least = np.zeros(n_images), np.inf
    for ratio in _RATIOS.tolist():
        variance = np.eye(len(t)) + ratio * walk
        weights = np.linalg.solve(variance, line)
        normal = line.T @ weights
        slope = np.linalg.solve(normal, weights.T @ values)
        off = values - line @ slope
        left = np.linalg.solve(variance, off)
        rest = max(float(off @ left), 1e-300)
        likelihood = np.linalg.slogdet(variance)[1] + np.linalg.slogdet(normal)[1]
        likelihood += (len(t) - 2) * np.log(rest)
        if likelihood < least - 1e-9:
            least = likelihood
            best = slope[0] + slope[1] * image + ratio * _walk(image, t) @ left
    return best


def _walk(a: Floats, b: Floats) -> Floats:
    """Return the covariances (n, m) of an integrated random walk at a (n,) and b (m,)."""
    low, high = np.minimum.outer(a, b), np.maximum.outer(a, b)
    return np.asarray(low**2 * (3.0 * high - low) / 6.0)
