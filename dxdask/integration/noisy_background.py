"""Background of photons recorded with noise: a robust mean of values some of which are below zero.

A value is a number of photons, Poisson distributed, plus normal noise. Robust means of Poisson
counts assume the skewness of these, and are off by as much as the noise where that is larger.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

_ROUNDS_OF_NOISE = 6
_REACH = 8.0  # standard deviations
_NEGLIGIBLE = 1e-12
_PRECISE = 0.1


@njit(cache=True, nogil=True, error_model="numpy")
def _below(x: float) -> float:
    """Return the probability of a standard normal value below x."""
    return 0.5 * math.erfc(-x * math.sqrt(0.5))


@njit(cache=True, nogil=True, error_model="numpy")
def _density(x: float) -> float:
    return math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


@njit(cache=True, nogil=True, error_model="numpy")
def _square_below_zero(photons: float, sigma: float) -> float:
    """Return E[min(y, 0)^2] of y = k + noise, k of this mean."""
    total, k = 0.0, max(0, int(photons - _REACH * math.sqrt(photons)))
    p = math.exp(k * math.log(photons) - photons - math.lgamma(k + 1.0)) if photons > 0.0 else 1.0
    while k <= _REACH * sigma and p > 0.0:
        u = k / sigma
        total += p * ((k * k + sigma * sigma) * _below(-u) - k * sigma * _density(u))
        k += 1
        p *= photons / k
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def noise_below_zero(square: float, photons: float) -> float:
    """Return the standard deviation of the noise for which E[min(y, 0)^2] is `square`.

    photons : their mean, 0 or more. Values below zero are by noise alone: bright pixels, as of
    spots, have no effect.
    """
    low, high = math.sqrt(square), 2.0 * math.sqrt(square) + 1e-6
    while _square_below_zero(photons, high) < square:
        low, high = high, 2.0 * high
    for _ in range(40):
        middle = 0.5 * (low + high)
        if _square_below_zero(photons, middle) < square:
            low = middle
        else:
            high = middle
        if high - low < 1e-4 * high:
            break
    return 0.5 * (low + high)


@njit(cache=True, nogil=True, error_model="numpy")
def _expected_psi(photons: float, sigma: float, width: float, c: float) -> float:
    """Return E[psi(r)] of r = (k - photons + noise) / width, psi(r) = r clipped at +- c."""
    first = max(0, int(photons - _REACH * math.sqrt(photons)))
    k = first
    p = math.exp(k * math.log(photons) - photons - math.lgamma(k + 1.0)) if photons > 0.0 else 1.0
    s, total, seen = sigma / width, 0.0, 0.0
    while seen < 1.0 - _NEGLIGIBLE and (k <= photons or p > _NEGLIGIBLE):
        a = (k - photons) / width
        low, high = (-c - a) / s, (c - a) / s
        below, above = _below(low), _below(-high)
        inside = a * (1.0 - below - above) + s * (_density(low) - _density(high))
        total += p * (inside + c * (above - below))
        seen += p
        k += 1
        p *= photons / k
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def robust_noisy_mean(
    values: Any, counts: Any, start: float, c: float, tolerance: float, max_iter: int
) -> float:
    """Return the robust mean of a histogram: `values` (m,), and their `counts`, of noisy photons.

    Solves sum psi(r_i) = n E[psi(r)], r = (y - mean) / sqrt(mean + noise^2), psi Huber's with
    constant c, from `start` until steps are small against the tolerance times that width. The
    noise is the one that explains the values below zero. A mean below zero, of a pedestal that is
    too high, has no photons. NaN where it does not converge.
    """
    n, square = 0, 0.0
    for i in range(len(values)):
        n += counts[i]
        square += counts[i] * min(values[i], 0.0) ** 2
    mean, sigma = start, 0.0
    for done in range(max_iter):
        photons, shift = max(mean, 0.0), min(mean, 0.0)
        if done < _ROUNDS_OF_NOISE:
            below = square / n
            if shift < 0.0:
                below = 0.0
                for i in range(len(values)):
                    below += counts[i] * min(values[i] - shift, 0.0) ** 2
                below /= n
            if below <= 0.0:
                return np.nan
            sigma = noise_below_zero(below, photons)
        width = math.sqrt(photons + sigma * sigma)
        total, inside = 0.0, 0
        for i in range(len(values)):
            r = (values[i] - mean) / width
            total += counts[i] * min(max(r, -c), c)
            inside += counts[i] * (abs(r) < c)
        step = (total / n - _expected_psi(photons, sigma, width, c)) * width * n / max(inside, 1)
        mean += min(max(step, -2.0 * width), 2.0 * width)
        if done >= 2 and abs(step) < _PRECISE * tolerance * width:
            return mean
    return np.nan
