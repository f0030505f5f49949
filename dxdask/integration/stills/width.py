"""Width of the reflections of a still in excitation error, fitted to its intensities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.arrays import Floats
from dxdask.prediction.stills.spread import TAIL, TAIL_WIDTH

ROUNDS = 15
LARGEST_MISFIT = 4.0
"""Residuals are clipped at this number of standard deviations."""
PRIOR_LOG_WIDTH = 0.5
PRIOR_B = 30.0
MIN_REFLECTIONS = 10
_TOLERANCE = 1e-3


@njit(cache=True, nogil=True, error_model="numpy")
def _equations(
    intensity: Any, variance: Any, x: Any, s2: Any, at: Any, matrix: Any, right: Any
) -> None:
    """Fill the equations (3, 3), (3,) of the steps of log scale, b and log width `at` (3,)."""
    matrix[:] = 0.0
    right[:] = 0.0
    width = np.exp(at[2])
    row = np.empty(3)
    for i in range(len(x)):
        u2 = (x[i] / width) ** 2
        normal = (1.0 - TAIL) * np.exp(-0.5 * u2)
        far = 1.0 + u2 / TAIL_WIDTH**2
        p = normal + TAIL / far
        mean = np.exp(at[0] - at[1] * s2[i]) * p
        # scatter by (acentric) structure factors, and noise
        spread = np.sqrt(mean * mean + variance[i])
        misfit = min(max((intensity[i] - mean) / spread, -LARGEST_MISFIT), LARGEST_MISFIT)
        row[0], row[1] = mean / spread, -s2[i] * mean / spread
        row[2] = (u2 * normal + 2.0 * TAIL * (far - 1.0) / far**2) / p * mean / spread
        for a in range(3):
            right[a] += row[a] * misfit
            for b in range(3):
                matrix[a, b] += row[a] * row[b]


@njit(cache=True, nogil=True, error_model="numpy")
def _fit(intensity: Any, variance: Any, x: Any, s2: Any, at: Any) -> bool:
    """Fit log scale, b and log width `at` (3,); return whether it converged."""
    matrix, right = np.empty((3, 3)), np.empty(3)
    for _ in range(ROUNDS):
        _equations(intensity, variance, x, s2, at, matrix, right)
        matrix[0, 0] += 1e-6
        matrix[1, 1] += PRIOR_B**-2
        right[1] -= at[1] * PRIOR_B**-2
        matrix[2, 2] += PRIOR_LOG_WIDTH**-2
        right[2] -= at[2] * PRIOR_LOG_WIDTH**-2
        step = np.linalg.solve(matrix, right)
        largest = max(abs(step[0]), abs(step[2]))
        step *= min(1.0, 0.7 / max(largest, 1e-12))
        at += step
        if largest < _TOLERANCE:
            return True
    return False


def width_factor(intensity: Floats, variance: Floats, x: Floats, d: Floats) -> float:
    """Return the factor from the given to the fitted width, 1 if it is not determined.

    Intensities fall off with excitation errors, and with resolution as exp(-b / (2 d^2)). About
    that they vary as unknown structure factors do (Wilson 1949) and by their noise; scale, b and
    width are those with vanishing weighted residuals (quasi-likelihood: Wedderburn 1974, Biometrika
    61, 439).

    intensity, variance : (n,). x : (n,) excitation errors in given standard deviations. d : (n,) A.
    """
    if len(x) < MIN_REFLECTIONS or not intensity.sum() > 0.0:
        return 1.0
    mean = max(float(intensity[np.abs(x) < 1.0].mean()) if (np.abs(x) < 1.0).any() else 0.0, 1e-6)
    at = np.array([np.log(mean), 0.0, 0.0])
    if not _fit(intensity, variance, np.ascontiguousarray(x), 0.5 / d**2, at):
        return 1.0
    return float(np.exp(at[2]))
