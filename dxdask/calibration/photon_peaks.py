"""Position of the pixels without photons in the histogram of one panel and event.

Pixels with k photons lie around c + k g, g the gain in ADU per photon, all with the noise of the
dark run; background photons shift any median or mode to the right of c. So c is fitted together
with the numbers of pixels of each k to the left part of the histogram: maximum likelihood for
Poisson counts by Fisher scoring. Where the noise hides single photons only the left flank is
fitted, with k = 0.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_MOST_PEAKS = 6
_ROOT_2PI = 2.5066282746310002


@njit(cache=True, nogil=True, error_model="numpy")
def solve(matrix, vector, n):  # type: ignore[no-untyped-def]
    """Solve the first n equations in place by elimination with pivots; False where singular."""
    for i in range(n):
        pivot = i
        for j in range(i + 1, n):
            if abs(matrix[j, i]) > abs(matrix[pivot, i]):
                pivot = j
        if not abs(matrix[pivot, i]) > 1e-300:
            return False
        if pivot != i:
            for k in range(n):
                matrix[i, k], matrix[pivot, k] = matrix[pivot, k], matrix[i, k]
            vector[i], vector[pivot] = vector[pivot], vector[i]
        for j in range(i + 1, n):
            factor = matrix[j, i] / matrix[i, i]
            for k in range(i, n):
                matrix[j, k] -= factor * matrix[i, k]
            vector[j] -= factor * vector[i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            vector[i] -= matrix[i, k] * vector[k]
        vector[i] /= matrix[i, i]
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def left_edge(counts, low, width, sigma):  # type: ignore[no-untyped-def]
    """Return an estimate of the centre of the Gaussian of this sigma at the left of a histogram."""
    target = 0.002 * counts.sum()
    seen = 0.0
    for b in range(len(counts)):
        if seen + counts[b] >= target:
            return low + width * (b + (target - seen) / counts[b]) + 2.6 * sigma
        seen += counts[b]
    return np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def fit_peaks(counts, low, width, sigma, gain):  # type: ignore[no-untyped-def]
    """Return c, ADU, or NaN where the fit fails.

    counts : (n_bins,) pixels; bin b is from low + b width on. sigma : noise, ADU. gain : ADU a
    photon, not above 0 where unknown.
    """
    c = left_edge(counts, low, width, sigma)
    separable = gain > 1.5 * sigma
    reach = min(1.5 * gain, 2.5 * sigma) if separable else 0.5 * sigma
    n_peaks = 1
    if separable:
        n_peaks = min(_MOST_PEAKS, 1 + int((reach + 3.0 * sigma) / gain))
    heights = np.zeros(n_peaks)
    matrix, vector = np.zeros((n_peaks + 1, n_peaks + 1)), np.zeros(n_peaks + 1)
    row = np.zeros(n_peaks + 1)
    first, last = 0, 0
    for iteration in range(40):
        if iteration < 6:  # then fixed: a bin entering and leaving would prevent convergence
            first = max(0, int((c - 4.0 * sigma - low) / width))
            last = min(len(counts), int((c + reach - low) / width) + 1)
        if not last - first > n_peaks + 2:
            return np.nan
        n_free = n_peaks + 1 if iteration > 0 else n_peaks
        matrix[...] = 0.0
        vector[...] = 0.0
        for b in range(first, last):
            expected, slope = 0.0, 0.0
            for k in range(n_peaks):
                t = (low + (b + 0.5) * width - c - k * gain) / sigma
                row[k] = np.exp(-0.5 * t * t) * width / (sigma * _ROOT_2PI)
                expected += heights[k] * row[k]
                slope += heights[k] * row[k] * t / sigma
            row[n_peaks] = slope
            weight = 1.0 / max(expected, 0.5) if iteration > 0 else 1.0 / (counts[b] + 1.0)
            for i in range(n_free):
                vector[i] += weight * row[i] * (counts[b] - expected)
                for j in range(n_free):
                    matrix[i, j] += weight * row[i] * row[j]
        if not solve(matrix, vector, n_free):
            return np.nan
        for k in range(n_peaks):
            heights[k] = max(0.0, heights[k] + vector[k])
        if iteration > 0:
            step = min(max(vector[n_peaks], -0.5 * sigma), 0.5 * sigma)
            c += step
            if abs(step) < 1e-3 * sigma and iteration > 6:
                return c if heights[0] > 0.0 else np.nan
    return c if heights[0] > 0.0 else np.nan
