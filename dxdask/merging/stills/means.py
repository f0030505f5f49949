"""Merged intensities: the weighted means over the observations of each reflection.

An observation I of scale g = exp(G - B s2) and partiality p says F = I / (g p). Its variance is
that of counting and that of the model, (g dp F)^2, so what is hardly recorded counts hardly,
whatever its counts; what others say F is counts in it even if nothing is seen. Sums run over the
observations of a reflection in the order of their stills, and no reflection depends on others, so
any range of reflections may be summed apart.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.merging.stills.observations import Observations
from dxdask.merging.stills.wilson import posterior


class Model(NamedTuple):
    """What the stills' parameters say of each observation (n,).

    Attributes
    ----------
    scale : exp(G - B s2). partiality : p. error : dp, standard deviation of p.
    weight : robust, 0 to above 1. u : excitation error in standard deviations.
    lever : by how many of these a turn of 1 rad changes it, at most.
    fitted : variance of p F that the uncertain parameters of the still make.
    """

    scale: Floats
    partiality: Floats
    error: Floats
    weight: Floats
    u: Floats
    lever: Floats
    fitted: Floats


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

    @property
    def square(self) -> Floats:
        """What others say of the square of the intensity (n,), expected."""
        return self.other**2 + self.other_variance


@njit(cache=True, nogil=True, error_model="numpy")
def _weight(i, f, data, model):  # type: ignore[no-untyped-def]
    """Return the weight of an observation whose reflection has the intensity f, and which part of
    its variance is the model's.

    That is of the square of the intensity as observed or as others say, whichever is larger: what
    should be seen and is not tells of an error as large.
    """
    _, variance, slope = data
    scale, fraction, error, robust, fitted, square = model
    g, p = scale[i], fraction[i]
    of_model = error[i] ** 2 * max(f * f, square[i]) + fitted[i]
    v = (variance[i] + slope[i] * g * p * f) / (g * g) + of_model
    return robust[i] / v, of_model / v


@njit(cache=True, nogil=True, error_model="numpy")
def _share(bottom, squares, of_model, nu):  # type: ignore[no-untyped-def]
    """Return how much of normal information there is in sums of w p^2, of its square, and of w p^2
    times the part of the variance that is the model's.

    Errors of the model follow Student's t: one observation tells as much as its variance,
    nu / (nu - 2) that of its scale, says; many tell (nu + 1) / (nu + 3) of what they would if
    errors were normal. Those of counting are normal. The robust weight of one observation that
    nothing contradicts is (nu + 1) / nu, of many it is 1 on average.
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
            # what is left by rounding is nothing
            if (used[i] and n == 1) or y <= 1e-12 * b:
                x, y, z, t = 0.0, 0.0, 0.0, 0.0
            share = _share(y, z, t, nu)
            other[i], other_variance[i] = posterior(share * x, share * y, expected[h])


def merged_means(
    reflections: NDArray[np.int64],
    observations: Observations,
    model: Model,
    used: NDArray[np.bool_],
    guess: Floats,
    square: Floats,
    expected: Floats,
    degrees_of_freedom: float,
) -> Means:
    """Return the means of these reflections (others: nan).

    used : (n,) which observations are merged. guess : (m,) intensities that the variances are
    taken at. square : (n,) of `Means`. expected : (m,) of Wilson's prior. degrees_of_freedom : nu
    of Student's t that errors follow.
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
