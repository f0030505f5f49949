"""Wilson's prior of an intensity, and its posterior with a measurement.

Intensities of acentric reflections follow an exponential distribution (Wilson 1949, Acta Cryst. 2,
318) whose mean depends on resolution. With it, a measurement x of variance v has as posterior a
normal distribution of mean x - v / mean and variance v, cut at zero (French & Wilson 1978, Acta
Cryst. A34, 517). Centric reflections are treated alike, as each has as many observations.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.merging.stills.observations import StillObservations

_FEWEST = 100  # reflections of a shell
_MOST_SHELLS = 20
_ROOT_2, _ROOT_2_OVER_PI = math.sqrt(2.0), math.sqrt(2.0 / math.pi)


@njit(cache=True, nogil=True, error_model="numpy")
def posterior(top, bottom, expected):  # type: ignore[no-untyped-def]
    """Return mean and variance of F given sum w p y, sum w p^2 and the mean of the prior."""
    if bottom <= 0.0:
        return expected, expected * expected
    s = 1.0 / math.sqrt(bottom)
    a = (top / bottom - s * s / expected) / s
    if a < -8.0:
        # series for far tails, where the difference below cancels
        b = 1.0 / (a * a)
        mean = -s / a * (1.0 - b * (2.0 - b * (10.0 - 74.0 * b)))
        return mean, s * s * b * (1.0 - b * (6.0 - b * (50.0 - 518.0 * b)))
    hazard = _ROOT_2_OVER_PI * math.exp(-0.5 * a * a) / math.erfc(-a / _ROOT_2)
    h = hazard + a
    return s * h, s * s * max(1.0 - hazard * h, 1e-12)


def shells_of(observations: StillObservations) -> NDArray[np.int64]:
    """Return the shell (m,) of each reflection, of equal numbers, from low to high resolution."""
    m = len(observations.d)
    n = max(1, min(_MOST_SHELLS, m // _FEWEST))
    rank = np.empty(m, np.int64)
    rank[np.argsort(-observations.d, kind="stable")] = np.arange(m)
    return rank * n // m


def expected_intensities(
    observations: StillObservations,
    shell: NDArray[np.int64],
    full: Floats,
    known: NDArray[np.bool_],
) -> Floats:
    """Return the mean of the prior of each reflection (m,), by shell, linear in 1/d^2 between.

    full : (m,) posterior means. known : (m,) reflections to average.
    """
    n = int(shell.max()) + 1
    counts = np.bincount(shell[known], minlength=n)
    sums = np.bincount(shell[known], weights=(full / observations.multiple)[known], minlength=n)
    resolution = 1.0 / observations.d**2
    middle = np.bincount(shell, weights=resolution, minlength=n) / np.bincount(shell, minlength=n)
    there = counts > 0
    values = np.log(np.maximum(sums[there] / counts[there], 1e-300))
    return np.asarray(np.exp(np.interp(resolution, middle[there], values)) * observations.multiple)
