"""Merged intensities: the weighted means over the observations of each reflection.

An observation I of scale g = exp(G - B s2) and partiality p estimates F = I / (g p). Its variance
is that of counting and that of the model, (g dp F)^2, so observations of low partiality weigh
little, whatever their counts; F is taken from the other observations too, so an observation that
misses an expected intensity has as large an error. Sums run over the observations of a reflection
in the order of their stills, and no reflection depends on others, so any range of reflections may
be summed apart.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.merging.stills.observations import StillObservations
from dxdask.merging.stills.wilson import posterior


class Model(NamedTuple):
    """Observations (n,) as modelled by the parameters of their stills.

    Attributes
    ----------
    scale : exp(G - B s2). partiality : p. error : dp, standard deviation of p.
    weight : robust, 0 to above 1. u : excitation error in standard deviations.
    lever : largest change of u by a rotation, 1/rad.
    fitted : variance of p F by the errors of the still's parameters.
    """

    scale: Floats
    partiality: Floats
    error: Floats
    weight: Floats
    u: Floats
    lever: Floats
    fitted: Floats


class Means(NamedTuple):
    """Merged intensities (m,) and, for each observation (n,), those of the others.

    Attributes
    ----------
    top, bottom : sum w p y and sum w p^2; top / bottom is the least-squares mean.
    full, sigma : mean and standard deviation of the posterior, with Wilson's prior.
    other, other_variance : (n,) the same without the observation itself.
    n : number of observations of each.
    """

    top: Floats
    bottom: Floats
    full: Floats
    sigma: Floats
    other: Floats
    other_variance: Floats
    n: NDArray[np.int64]

    @property
    def square(self) -> Floats:
        """Expected square of the intensity (n,), by the other observations."""
        return self.other**2 + self.other_variance


@njit(cache=True, nogil=True, error_model="numpy")
def _weight(i, f, data, model):  # type: ignore[no-untyped-def]
    """Return the weight of an observation of intensity f, and the model's part of its variance.

    That part goes with the square of the intensity as merged or by the other observations,
    whichever is larger: an observation that misses an expected intensity has an error as large.
    """
    _, variance, slope = data
    scale, fraction, error, robust, fitted, square = model
    g, p = scale[i], fraction[i]
    of_model = error[i] ** 2 * max(f * f, square[i]) + fitted[i]
    v = (variance[i] + slope[i] * g * p * f) / (g * g) + of_model
    return robust[i] / v, of_model / v


@njit(cache=True, nogil=True, error_model="numpy")
def _share(bottom, squares, of_model, nu):  # type: ignore[no-untyped-def]
    """Return the information in a sum of weights, as a fraction of that of normal errors.

    bottom : sum w p^2. squares : sum (w p^2)^2. of_model : sum w p^2 times the model's part of the
    variance.

    Errors of the model follow Student's t: one observation has the information of its variance,
    nu / (nu - 2) that of its scale; many have (nu + 1) / (nu + 3) of that of normal errors. Errors
    of counting are normal. The robust weight of a single observation is (nu + 1) / nu, of many it
    is 1 on average.
    """
    if bottom <= 0.0:
        return 0.0
    alone = min(squares / (bottom * bottom), 1.0)
    model = min(max(of_model / bottom, 0.0), 1.0)
    many, one = (nu + 1.0) / (nu + 3.0), (nu - 2.0) / (nu + 1.0)
    student = many - (many - one) * alone
    normal = 1.0 - alone / (nu + 1.0)
    return model * student + (1.0 - model) * normal


@njit(cache=True, nogil=True, error_model="numpy")
def _means(reflections, order, bounds, data, model, used, guess, expected, nu, out, others):  # type: ignore[no-untyped-def]
    intensity, scale, fraction = data[0], model[0], model[1]
    top, bottom, full, sigma, count = out
    other, other_variance = others
    for h in reflections:
        first, last = bounds[h], bounds[h + 1]
        f = max(guess[h], 0.0)
        a, b, c, e, n = 0.0, 0.0, 0.0, 0.0, 0
        for j in range(first, last):
            i = order[j]
            if used[i]:
                (w, part), p = _weight(i, f, data, model), fraction[i]
                a += w * p * intensity[i] / scale[i]
                b += w * p * p
                c += (w * p * p) ** 2
                e += w * p * p * part
                n += 1
        share = _share(b, c, e, nu)
        top[h], bottom[h], count[h] = share * a, share * b, n
        full[h], variance = posterior(top[h], bottom[h], expected[h])
        sigma[h] = math.sqrt(variance)
        for j in range(first, last):
            i = order[j]
            x, y, z, t = a, b, c, e
            if used[i]:
                (w, part), p = _weight(i, f, data, model), fraction[i]
                t -= w * p * p * part
                x -= w * p * intensity[i] / scale[i]
                y -= w * p * p
                z -= (w * p * p) ** 2
            # no other observation: the remainder is rounding
            if (used[i] and n == 1) or y <= 1e-12 * b:
                x, y, z, t = 0.0, 0.0, 0.0, 0.0
            share = _share(y, z, t, nu)
            other[i], other_variance[i] = posterior(share * x, share * y, expected[h])


def merged_means(
    reflections: NDArray[np.int64],
    observations: StillObservations,
    model: Model,
    used: NDArray[np.bool_],
    guess: Floats,
    square: Floats,
    expected: Floats,
    degrees_of_freedom: float,
) -> Means:
    """Return the means of these reflections (others: nan).

    used : (n,) observations that are merged. guess : (m,) intensities at which the variances are
    taken. square : (n,) of `Means`. expected : (m,) mean of Wilson's prior. degrees_of_freedom : nu
    of Student's t distribution of the errors.
    """
    o, m, n = observations, len(observations.hkl), len(observations.still)
    top, bottom, full, sigma = (np.full(m, np.nan) for _ in range(4))
    count, other, variance = np.zeros(m, np.int64), np.full(n, np.nan), np.full(n, np.nan)
    means = Means(top, bottom, full, sigma, other, variance, count)
    _means(
        reflections, o.order, o.bounds, (o.intensity, o.variance, o.slope),
        (model.scale, model.partiality, model.error, model.weight, model.fitted, square), used,
        guess, expected, degrees_of_freedom,
        (means.top, means.bottom, means.full, means.sigma, means.n),
        (means.other, means.other_variance),
    )  # fmt: skip
    return means
