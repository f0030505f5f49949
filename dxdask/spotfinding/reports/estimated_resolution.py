"""Estimated resolution of an image from its spots: kernels for one image.

Spacings are given as d* = 1 / d. Where no estimate can be made the kernels return NaN.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

MOST_POINTS = 40
SKIPPED_SLOPES = 3
WILSON_CUTOFF = math.sqrt(-math.log(1e-2))
"""Amplitude, relative to that expected, that one acentric reflection in a hundred exceeds."""
PERCENTILE = 0.1


@njit(cache=True, nogil=True, error_model="numpy")
def by_signal(d_star_sq: Any, intensity: Any, variance: Any, ice: Any) -> float:
    """Return the resolution d, A, by the fall of the signal to noise ratio.

    The method of dials.spot_counts_per_image: in shells of d*^2 with equal numbers of spots,
    without those on ice rings and Wilson outliers (Read 1999, D55, 1759), the spots of a low and
    of a high percentile of ln(I / sigma) are chosen. A line is fitted through the high
    ln(I / sigma) against, as in DIALS, the d*^2 of the low spots; d is the smallest of the spots
    below this line.

    d_star_sq, intensity, variance, ice : (n,) of the spots, variances above 0.
    """
    n = d_star_sq.size
    log_signal = np.log(intensity / np.sqrt(variance))
    order = np.argsort(d_star_sq)
    n_slots = max(min(n // 20, 20), 5)
    x_upper, y_upper, n_used = np.empty(n_slots), np.empty(n_slots), 0
    outlier = np.zeros(n, np.bool_)
    n_per_slot = n / n_slots
    # a shell begins after all spots of the same d* as the last of the previous shell
    low = d_star_sq[order[0]]
    first = 0
    for s in range(n_slots):
        high = d_star_sq[order[min(math.floor((s + 1) * n_per_slot + 0.5), n) - 1]]
        while first < n and d_star_sq[order[first]] <= low:
            first += 1
        stop = first
        while stop < n and d_star_sq[order[stop]] <= high:
            stop += 1
        shell = np.sort(order[first:stop])
        low, first = high, stop
        if np.all(ice[shell]):
            continue
        _wilson_outliers(shell, intensity, ice, outlier)
        good = shell[~outlier[shell] & ~ice[shell]]
        ranked = good[np.argsort(log_signal[good], kind="mergesort")]
        weak = ranked[math.floor(PERCENTILE * ranked.size)]
        strong = ranked[math.floor((1 - PERCENTILE) * ranked.size)]
        x_upper[n_used], y_upper[n_used] = d_star_sq[weak], log_signal[strong]
        n_used += 1
    slope, constant = _line(x_upper[:n_used], y_upper[:n_used])
    finest = 0.0
    for i in range(n):
        below = log_signal[i] - constant - slope * d_star_sq[i] < 0.0
        if below and not outlier[i] and not ice[i]:
            finest = max(finest, d_star_sq[i])
    return 1.0 / math.sqrt(finest) if finest > 0.0 else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _wilson_outliers(shell: Any, intensity: Any, ice: Any, outlier: Any) -> None:
    """Mark spots of a shell that are too strong for the mean of the others, until none is left."""
    found = True
    while found:
        total, n = 0.0, 0
        for i in shell:
            if not outlier[i] and not ice[i]:
                total, n = total + intensity[i], n + 1
        if n == 0:
            return
        expected, found = math.sqrt(total / n), False
        for i in shell:
            if not outlier[i] and math.sqrt(intensity[i]) / expected >= WILSON_CUTOFF:
                outlier[i], found = True, True


@njit(cache=True, nogil=True, error_model="numpy")
def _line(x: Any, y: Any) -> Any:
    """Return slope and constant of the line by least squares; NaN where x does not vary."""
    n = x.size
    x_mean, y_mean = np.sum(x) / n, np.sum(y) / n
    sxx, sxy = np.sum((x - x_mean) ** 2), np.sum((x - x_mean) * (y - y_mean))
    slope = sxy / sxx if sxx > 0.0 else np.nan
    return slope, y_mean - slope * x_mean


@njit(cache=True, nogil=True, error_model="numpy")
def by_growth(d_star: Any) -> Any:
    """Return the resolution d, A, by the growth of the number of spots with d*^3, and noisiness.

    Method 1 of Zhang et al. (2006, J. Appl. Cryst. 39, 112-119), section 2.4.4: every k-th of the
    sorted spots is a point, d*^3 against its rank; d is that of the last point whose distance from
    the line to the steepest point is nearly the largest. Noisiness is the fraction of pairs of
    slopes in the wrong order.
    """
    step = 2
    while d_star.size / step > MOST_POINTS:
        step += 1
    radius = np.sort(d_star)[: d_star.size // step * step : step]
    volume = radius**3
    n = volume.size
    slopes = (volume[1:] - volume[0]) / np.arange(1, n)
    steepest = np.argmax(slopes[SKIPPED_SLOPES:]) + 1 + SKIPPED_SLOPES
    rise = volume[steepest] - volume[0]
    length = math.sqrt(rise**2 + steepest**2)
    gaps = np.zeros(steepest)
    for i in range(1, steepest):
        gaps[i] = abs(-i * rise / length + (volume[i] - volume[0]) * steepest / length)
    spread = math.sqrt(np.sum((gaps - np.mean(gaps)) ** 2) / (steepest - 1))
    farthest = int(np.argmax(gaps))
    chosen = farthest
    for i in range(farthest + 1, steepest):
        if gaps[i] > gaps[farthest] - 0.5 * spread:
            chosen = i
    wrong = 0
    for i in range(n - 1):
        for j in range(i + 1, n - 1):
            wrong += slopes[i] >= slopes[j]
    return 1.0 / radius[chosen], wrong / ((n - 1) * (n - 2) / 2)


@njit(cache=True, nogil=True, error_model="numpy")
def by_count(d_star: Any) -> Any:
    """Return the resolution d, A, by the number of spots in shells, and noisiness.

    Method 2 of Zhang et al. (2006), section 2.4.4: shells of equal volume, the first with 5 % of
    the spots (at least 25); d is the end of the first of two neighbours that each hold less than
    0.15 of the mean of the two innermost shells. Noisiness is the fraction of pairs of shells in
    the wrong order.
    """
    # by way of d, as in cctbx: a spot at the end of a shell must fall on the same side of its limit
    d = np.unique(1.0 / d_star)[::-1]
    volume = (1.0 / d) ** 3
    n_first = math.ceil(min(max(25.0, 0.05 * d.size), 0.25 * d.size))
    width = volume[min(n_first, d.size - 1)] - volume[0]
    if not width > 0.0:
        return np.nan, np.nan
    n_shells = math.ceil((volume[-1] - volume[0]) / width)
    n_shells = max(min(n_shells, 40), 20)
    width = (volume[-1] - volume[0]) / n_shells
    limits = 1.0 / (volume[0] + np.arange(n_shells + 1) * width) ** (1.0 / 3.0)
    counts = np.zeros(n_shells, np.int64)
    for s in range(n_shells):
        for v in d_star:
            counts[s] += 1.0 / v < limits[s] and 1.0 / v >= limits[s + 1]
    few = 0.15 * ((counts[0] + counts[1]) / 2)
    chosen = n_shells - 2
    for s in range(n_shells - 1):
        if counts[s] < few and counts[s + 1] < few:
            chosen = s
            break
    wrong = 0
    for i in range(n_shells):
        for j in range(i + 1, n_shells):
            wrong += counts[i] <= counts[j]
    return limits[chosen + 1], wrong / (0.5 * n_shells * (n_shells - 1))
