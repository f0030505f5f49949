"""Background of a spot: a plane fitted to the pixels around it, without bright outliers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

ROUNDS = 4
MIN_PIXELS = 10
"""Fewest background pixels of a reflection."""


@njit(cache=True, nogil=True, error_model="numpy")
def _plane(ring: Any, n: int, limit: float, fit: Any) -> int:
    """Fit c = fit[0] + fit[1] dx + fit[2] dy to rows dx, dy, c with c - plane <= limit.

    fit (3,) is the plane of the last round, and becomes the new one. Return the number of rows.
    The slopes are 0 where the rows do not determine them.
    """
    m, sx, sy, sc, sxx, sxy, syy, sxc, syc = 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        dx, dy, c = ring[i, 0], ring[i, 1], ring[i, 2]
        if c - (fit[0] + fit[1] * dx + fit[2] * dy) > limit:
            continue
        m += 1
        sx, sy, sc = sx + dx, sy + dy, sc + c
        sxx, sxy, syy = sxx + dx * dx, sxy + dx * dy, syy + dy * dy
        sxc, syc = sxc + dx * c, syc + dy * c
    if m == 0:
        return 0
    # about the means of dx, dy and c
    sxx, sxy, syy = sxx - sx * sx / m, sxy - sx * sy / m, syy - sy * sy / m
    sxc, syc = sxc - sx * sc / m, syc - sy * sc / m
    determinant = sxx * syy - sxy * sxy
    fit[1], fit[2] = 0.0, 0.0
    if determinant > 1e-3 * sxx * syy and m > 3:
        fit[1] = (sxc * syy - syc * sxy) / determinant
        fit[2] = (syc * sxx - sxc * sxy) / determinant
    fit[0] = (sc - fit[1] * sx - fit[2] * sy) / m
    return m


@njit(cache=True, nogil=True, error_model="numpy")
def _lower_variance(ring: Any, n: int, fit: Any) -> float:
    """Return the mean square of the residuals below the plane, free of bright outliers."""
    total, m = 0.0, 0
    for i in range(n):
        r = ring[i, 2] - (fit[0] + fit[1] * ring[i, 0] + fit[2] * ring[i, 1])
        if r < 0.0:
            total += r * r
            m += 1
    return total / max(m, 1)


@njit(cache=True, nogil=True, error_model="numpy")
def background(ring: Any, n: int, n_sigma: float, fit: Any) -> Any:
    """Return number and variance of the background pixels; fit (3,) becomes the plane.

    ring : (m, 3) dx and dy from the reflection, px, and photons; the first n rows are used. A pixel
    more than n_sigma standard deviations and one photon above the plane is rejected. The variance
    is that about the plane, at least that of one photon in all the pixels.
    """
    fit[0], fit[1], fit[2] = 0.0, 0.0, 0.0
    kept = _plane(ring, n, np.inf, fit)
    if kept < MIN_PIXELS:
        return kept, 0.0
    limit = np.inf
    for _ in range(ROUNDS):
        spread = max(max(fit[0], 0.0), _lower_variance(ring, n, fit))
        limit = n_sigma * np.sqrt(spread) + 1.0
        before, kept = kept, _plane(ring, n, limit, fit)
        if kept == before:
            break
    if kept < MIN_PIXELS:
        return kept, 0.0
    total, m = 0.0, 0
    for i in range(n):
        r = ring[i, 2] - (fit[0] + fit[1] * ring[i, 0] + fit[2] * ring[i, 1])
        if r <= limit:
            total += r * r
            m += 1
    return kept, max(total / max(m - 3, 1), 1.0 / kept)
