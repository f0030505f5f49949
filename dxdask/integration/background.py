"""Background under a reflection: a robust Poisson mean of the pixels around it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.integration.noisy_background import robust_noisy_mean

_NEGLIGIBLE = 1e-17
_SCORING_ROUNDS = 12


@njit(cache=True, nogil=True, error_model="numpy")
def _poisson(k: int, mean: float) -> float:
    return math.exp(k * math.log(mean) - mean - math.lgamma(k + 1.0)) if k >= 0 else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def expectations(mean: float, c: float) -> Any:
    """Return E[psi(r)] and E[psi(r) r] of r = (y - mean) / sqrt(mean), y Poisson, psi Huber's.

    psi clips r at +- c. The sums run over the counts between the clips and down the lower tail.
    """
    width = math.sqrt(mean)
    low = math.floor(mean - c * width)  # y <= low is clipped below, y > high above
    high = math.floor(mean + c * width)
    first = max(low + 1, 0)
    p = _poisson(first, mean)
    inside, moment, square = 0.0, 0.0, 0.0
    for y in range(first, high + 1):
        r = (y - mean) / width
        inside += p
        moment += p * r
        square += p * r * r
        p *= mean / (y + 1.0)
    below, edge_low = 0.0, 0.0
    if low >= 0:
        p = edge_low = _poisson(low, mean)
        y = low
        while p > _NEGLIGIBLE * below and y >= 0:
            below += p
            p *= y / mean
            y -= 1
    above = max(0.0, 1.0 - inside - below)
    edge_high = _poisson(high, mean)
    # E[y - mean; y > k] = mean P(k), E[y - mean; y <= k] = -mean P(k)
    psi = moment + c * (above - below)
    psi_r = square + c * width * (edge_high + edge_low)
    return psi, psi_r


@njit(cache=True, nogil=True, error_model="numpy")
def _median(values: Any, counts: Any, n: int) -> Any:
    """Return the median of a histogram, the mean of the middle two of an even number."""
    seen, lower = 0, 0.0
    for i in range(len(values)):
        before, seen = seen, seen + counts[i]
        if 2 * before < n <= 2 * seen:
            lower = float(values[i])
            if 2 * seen == n and i + 1 < len(values):
                return 0.5 * (lower + values[i + 1])
            return lower
    return lower


@njit(cache=True, nogil=True, error_model="numpy")
def robust_poisson_mean(values: Any, counts: Any, c: float, tolerance: float, max_iter: int) -> Any:
    """Return the robust mean of a histogram: `values` (m,), ascending, and their `counts`.

    Solves sum psi(r_i) = n E[psi(r)], r = (y - mean) / sqrt(mean), psi(r) = r clipped at +- c, by
    Fisher scoring of log(mean) from the median, until it changes by less than `tolerance`. The
    right-hand side makes it consistent for Poisson counts. Values below zero are by noise, see
    `robust_noisy_mean`. NaN where it does not converge. Source:
    Cantoni & Ronchetti (2001), J. Am. Stat. Assoc. 96, 1022; Parkhurst et al. (2016), J. Appl.
    Cryst. 49, 1912.
    """
    n, top = 0, 0.0
    for i in range(len(values)):
        n += counts[i]
        top = max(top, float(values[i]))
    if n == 0:
        return np.nan
    if values[0] < 0.0:
        start = _median(values, counts, n)
        return robust_noisy_mean(values, counts, start, c, tolerance, max_iter)
    if top <= 0.0:
        return 0.0
    mean = _median(values, counts, n)
    if mean <= 0.0:
        mean = 1.0
    low, high = 0.0, np.inf  # bracket of the root
    for n_done in range(max_iter):
        width = math.sqrt(mean)
        total = 0.0
        for i in range(len(values)):
            total += counts[i] * min(max((values[i] - mean) / width, -c), c)
        psi, psi_r = expectations(mean, c)
        step = (total / n - psi) / (psi_r * width)
        low, high = (mean, high) if step > 0.0 else (low, mean)
        # with many clipped counts steps are too short: lengthen them, until they overshoot
        step *= 2.0 ** max(0, n_done - _SCORING_ROUNDS)
        new = mean * math.exp(min(max(step, -2.0), 2.0))
        # steps may oscillate about the kinks of psi: then bisect
        bracketed = low > 0.0 and high < np.inf
        if bracketed and (n_done >= _SCORING_ROUNDS or not low < new < high):
            new = math.sqrt(low * high)
        if abs(math.log(new / mean)) < tolerance:
            return new
        mean = new
    return np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def fit_backgrounds(
    rows: Any, offsets: Any, values: Any, counts: Any, robust: Any, min_pixels: int, out: Any
) -> None:
    """Fill out[i] for each i of `rows` with the background of histogram i, photons, or NaN.

    robust : (4,) tuning constant, tolerance, largest number of rounds; values of a photon.
    """
    for i in rows:
        a, b = offsets[i], offsets[i + 1]
        n = 0
        for j in range(a, b):
            n += counts[j]
        out[i] = np.nan
        if n >= min_pixels:
            out[i] = robust_poisson_mean(
                values[a:b] / robust[3], counts[a:b], robust[0], robust[1], int(robust[2])
            )


def backgrounds(
    rows: NDArray[np.int64],
    offsets: NDArray[np.int64],
    values: NDArray[np.int32],
    counts: NDArray[np.int64],
    *,
    tuning_constant: float,
    tolerance: float,
    max_iter: int,
    min_pixels: int,
    unit: int = 1,
) -> NDArray[np.float64]:
    """Return the mean background (n,), photons, of the histograms at places `rows`, else NaN.

    Histogram i is values and counts [offsets[i], offsets[i + 1]); `unit` values are a photon.
    """
    out = np.full(len(offsets) - 1, np.nan)
    robust = np.array([tuning_constant, tolerance, max_iter, unit], np.float64)
    fit_backgrounds(rows, offsets, values, counts, robust, min_pixels, out)
    return out
