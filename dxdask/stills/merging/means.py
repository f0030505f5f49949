"""Merged intensities: the weighted means over the observations of each reflection.

An observation I of scale g = exp(G - B s2) and partiality p says F = I / (g p). Its variance is
that of counting and that of the model, (g dp F)^2, so what is hardly recorded counts hardly,
whatever its counts. Sums run over the observations of a reflection in the order of their stills,
and no reflection depends on others, so any range of reflections may be summed apart.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.stills.merging.observations import Observations
from dxdask.stills.merging.wilson import posterior

Floats = NDArray[np.float64]


class Model(NamedTuple):
    """What the stills' parameters say of each observation (n,).

    Attributes
    ----------
    scale : exp(G - B s2). partiality : p. error : dp, standard deviation of p.
    weight : robust, 0 to above 1. u : excitation error in standard deviations.
    """

    scale: Floats
    partiality: Floats
    error: Floats
    weight: Floats
    u: Floats


class Means(NamedTuple):
    """Merged intensities (m,) and, for each observation (n,), what the others say.

    Attributes
    ----------
    top, bottom : sum w p y and sum w p^2; top / bottom is the least-squares mean.
    full, sigma : mean and standard deviation of the posterior, with Wilson's prior.
    other, other_variance : (n,) the same without the observation itself.
    n : observations of each.
    """

    top: Floats
    bottom: Floats
    full: Floats
    sigma: Floats
    other: Floats
    other_variance: Floats
    n: NDArray[np.int64]


@njit(cache=True, nogil=True, error_model="numpy")
def _means(reflections, order, bounds, data, model, used, guess, expected, out, others):  # type: ignore[no-untyped-def]
    intensity, variance, slope = data
    scale, fraction, error, robust = model
    top, bottom, full, sigma, count = out
    other, other_variance = others
    for h in reflections:
        first, last = bounds[h], bounds[h + 1]
        f = max(guess[h], 0.0)
        a, b, n = 0.0, 0.0, 0
        for j in range(first, last):
            i = order[j]
            if used[i]:
                g, p = scale[i], fraction[i]
                v = (variance[i] + slope[i] * g * p * f) / (g * g) + (error[i] * f) ** 2
                w = robust[i] / v
                a += w * p * intensity[i] / g
                b += w * p * p
                n += 1
        top[h], bottom[h], count[h] = a, b, n
        full[h], sigma[h] = posterior(a, b, expected[h])
        sigma[h] = math.sqrt(sigma[h])
        for j in range(first, last):
            i = order[j]
            x, y = a, b
            if used[i]:
                g, p = scale[i], fraction[i]
                v = (variance[i] + slope[i] * g * p * f) / (g * g) + (error[i] * f) ** 2
                w = robust[i] / v
                x -= w * p * intensity[i] / g
                y -= w * p * p
            # what is left by rounding is nothing
            if n == 1 or y <= 1e-12 * b:
                x, y = 0.0, 0.0
            other[i], other_variance[i] = posterior(x, y, expected[h])


def merged_means(
    reflections: NDArray[np.int64],
    observations: Observations,
    model: Model,
    used: NDArray[np.bool_],
    guess: Floats,
    expected: Floats,
) -> Means:
    """Return the means of these reflections (others: nan).

    used : (n,) which observations are merged. guess : (m,) intensities that the variances are
    taken at. expected : (m,) of Wilson's prior.
    """
    o, m, n = observations, len(observations.hkl), len(observations.still)
    top, bottom, full, sigma = (np.full(m, np.nan) for _ in range(4))
    count, other, variance = np.zeros(m, np.int64), np.full(n, np.nan), np.full(n, np.nan)
    means = Means(top, bottom, full, sigma, other, variance, count)
    _means(
        reflections, o.order, o.bounds, (o.intensity, o.variance, o.slope),
        (model.scale, model.partiality, model.error, model.weight), used, guess, expected,
        (means.top, means.bottom, means.full, means.sigma, means.n),
        (means.other, means.other_variance),
    )  # fmt: skip
    return means
