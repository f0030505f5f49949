"""Fit of each still to the merged intensities.

Its parameters are scale, B factor, two rotations, stretch, width, tail, and the growth of the width
with resolution. The intensity of an observation is exp(g - B s2) (r / w) p(e / w) F with
w^2 = r^2 + m |q|^2: mosaicity m (rad^2) spreads a lattice point over a larger range of excitation
errors, with less intensity at each. r and the share of the tail in p are fitted as logarithms.
Derivatives are analytic; steps are Levenberg and Marquardt's; residuals follow Student's t
distribution, which weighs outliers down (Lange, Little & Taylor 1989, J. Am. Stat. Assoc. 84, 881).
Parameters have normal priors, estimated from all stills (`priors`). Given F and the priors, stills
do not depend on each other, so any range of stills may be fitted apart.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.merging.stills.observations import StillObservations
from dxdask.merging.stills.partiality import (
    gaussian,
    lorentzian,
    partiality,
    partiality_slope,
    widened,
)

SCALE, B_FACTOR, RADIUS, ROTATION, STRETCH, TAIL, MOSAIC = 0, 1, 2, 3, 5, 6, 7  # two rotations
N_PARAMETERS = 8
LARGEST_TAIL = 0.5
LEAST_WIDENING = 0.2  # of w^2 / r^2: m may be negative
_MAX_STEPS = 12
_FIRST_DAMPING, _LARGEST_DAMPING = 1e-3, 1e6
_CONVERGED = 1e-5


class Target(NamedTuple):
    """Intensities that the observations (n,) of stills are fitted to.

    Attributes
    ----------
    full : expected intensity, from the other observations of the reflection.
    variance : of each observation about exp(g - B s2) p full, held fixed.
    """

    full: Floats
    variance: Floats


class Fitted(NamedTuple):
    """Fitted stills.

    Attributes
    ----------
    theta : (stills, 8) parameters. spread : (stills, 8) their variances. of_model : (n,) variance
    of the modelled intensity of each observation by the errors of the parameters.
    """

    theta: Floats
    spread: Floats
    of_model: Floats


@njit(cache=True, nogil=True, error_model="numpy")
def _derivatives(theta, radius, tail, i, data, full, row):  # type: ignore[no-untyped-def]
    """Return the model of an observation and fill its derivatives (8,)."""
    _, excitation, gradient, s2 = data
    e = excitation[i] + gradient[i, 0] * theta[ROTATION] + gradient[i, 1] * theta[ROTATION + 1]
    width = widened(radius, theta[MOSAIC], s2[i])
    of_radius = (radius / width) ** 2
    u = (e + gradient[i, 2] * theta[STRETCH]) / width
    whole = math.exp(theta[SCALE] - theta[B_FACTOR] * s2[i]) * full * radius / width
    model = whole * partiality(u, tail)
    slope = whole * partiality_slope(u, tail)
    row[SCALE], row[B_FACTOR] = model, -s2[i] * model
    row[RADIUS] = model * (1.0 - of_radius) - u * slope * of_radius
    row[MOSAIC] = -(model + u * slope) * s2[i] / (width * width)
    row[TAIL] = whole * tail * (lorentzian(u) - gaussian(u))
    for k in range(3):
        row[ROTATION + k] = slope * gradient[i, k] / width
    return model


@njit(cache=True, nogil=True, error_model="numpy")
def _normal(theta, first, last, data, full, variance, prior, nu, matrix, right):  # type: ignore[no-untyped-def]
    """Fill the normal equations of a still and return the cost."""
    intensity, s2 = data[0], data[3]
    matrix[:] = 0.0
    right[:] = 0.0
    cost = 0.0
    row = np.empty(N_PARAMETERS)
    radius, tail = math.exp(theta[RADIUS]), math.exp(theta[TAIL])
    if tail > LARGEST_TAIL:
        return math.inf
    for i in range(first, last):
        if radius * radius + 2.0 * s2[i] * theta[MOSAIC] < LEAST_WIDENING * radius * radius:
            return math.inf
        model = _derivatives(theta, radius, tail, i, data, full[i], row)
        residual = intensity[i] - model
        z2 = residual * residual / variance[i]
        cost += 0.5 * (nu + 1.0) * math.log1p(z2 / nu)
        weight = (nu + 1.0) / (nu + z2) / variance[i]
        for a in range(N_PARAMETERS):
            right[a] += weight * row[a] * residual
            for b in range(a + 1):
                matrix[a, b] += weight * row[a] * row[b]
    for a in range(N_PARAMETERS):
        off = prior[0, a] - theta[a]
        cost += 0.5 * prior[1, a] * off * off
        right[a] += prior[1, a] * off
        matrix[a, a] += prior[1, a]
    return cost


@njit(cache=True, nogil=True, error_model="numpy")
def _factor(matrix, damping, out):  # type: ignore[no-untyped-def]
    """Fill the Cholesky factor of matrix with its diagonal times 1 + damping; False if it fails."""
    n = matrix.shape[0]
    for a in range(n):
        for b in range(a + 1):
            value = matrix[a, b] * (1.0 + damping) if a == b else matrix[a, b]
            for k in range(b):
                value -= out[a, k] * out[b, k]
            if a > b:
                out[a, b] = value / out[b, b]
            elif value <= 0.0 or not math.isfinite(value):
                return False
            else:
                out[a, a] = math.sqrt(value)
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _solve(factor, right, out):  # type: ignore[no-untyped-def]
    n = right.size
    for a in range(n):
        value = right[a]
        for k in range(a):
            value -= factor[a, k] * out[k]
        out[a] = value / factor[a, a]
    for a in range(n - 1, -1, -1):
        value = out[a]
        for k in range(a + 1, n):
            value -= factor[k, a] * out[k]
        out[a] = value / factor[a, a]


@njit(cache=True, nogil=True, error_model="numpy")
def _fit(stills, starts, data, full, variance, prior, nu, theta, spread, of_model):  # type: ignore[no-untyped-def]
    n = N_PARAMETERS
    matrix, trial_matrix, factor = np.empty((n, n)), np.empty((n, n)), np.zeros((n, n))
    right, trial_right = np.empty(n), np.empty(n)
    step, trial, unit = np.empty(n), np.empty(n), np.empty(n)
    for s in stills:
        first, last = starts[s], starts[s + 1]
        args = (first, last, data, full, variance, prior, nu)
        cost = _normal(theta[s], *args, matrix, right)
        damping = _FIRST_DAMPING
        for _ in range(_MAX_STEPS):
            if not _factor(matrix, damping, factor):
                damping *= 10.0
                if damping > _LARGEST_DAMPING:
                    break
                continue
            _solve(factor, right, step)
            trial[:] = theta[s] + step
            trial_cost = _normal(trial, *args, trial_matrix, trial_right)
            if trial_cost <= cost:
                gain = cost - trial_cost
                theta[s], matrix[:], right[:], cost = trial, trial_matrix, trial_right, trial_cost
                damping *= 0.1
                if gain <= _CONVERGED * cost:
                    break
            else:
                damping *= 10.0
                if damping > _LARGEST_DAMPING:
                    break
        if _factor(matrix, 0.0, factor):
            for a in range(n):
                unit[:] = 0.0
                unit[a] = 1.0
                _solve(factor, unit, step)
                spread[s, a] = step[a]
                trial_matrix[a] = step
            radius, tail = math.exp(theta[s, RADIUS]), math.exp(theta[s, TAIL])
            for i in range(first, last):
                _derivatives(theta[s], radius, tail, i, data, full[i], right)
                value = 0.0
                for a in range(n):
                    for b in range(n):
                        value += right[a] * trial_matrix[a, b] * right[b]
                of_model[i] = value


def fit_stills(
    stills: NDArray[np.int64],
    observations: StillObservations,
    target: Target,
    priors: Floats,
    start: Floats,
    *,
    degrees_of_freedom: float,
) -> Fitted:
    """Return these stills, fitted.

    stills : places of the stills; rows of others are as in `start`, their variances inf.
    priors : (2, 8) mean and one over the variance. start : (stills, 8) parameters.
    """
    theta, spread = start.copy(), np.full_like(start, np.inf)
    of_model = np.zeros(len(observations.still))
    o = observations
    data = (o.intensity, o.excitation, o.gradient, o.s2)
    _fit(stills, o.starts, data, target.full, target.variance, priors,
         degrees_of_freedom, theta, spread, of_model)  # fmt: skip
    return Fitted(theta, spread, of_model)
