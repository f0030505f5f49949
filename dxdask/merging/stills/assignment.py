"""Settings of stills in an indexing ambiguity, by expectation maximisation.

The normalised intensities of a reflection, over all stills in their right settings, scatter about
one value; in a wrong setting they scatter about that of another reflection. The setting of a still
is a hidden variable, its probabilities given by the likelihood under the means of the other stills;
the mean of a reflection is over all stills, weighted by the probabilities of their settings. Stills
are not compared pair by pair, so a round costs as much as a merge. (The problem: Brehm & Diederichs
2014, Acta Cryst. D70, 101.)
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from dxdask.arrays import Floats, Integers

_PRIOR = 1.0  # weight of the mean of all, in that of a reflection
_ROUNDS = 100
_SETTLED = 1e-6


@njit(cache=True, nogil=True, error_model="numpy")
def _sums(starts, place, value, weight, chance, top, bottom):  # type: ignore[no-untyped-def]
    top[:] = 0.0
    bottom[:] = 0.0
    for s in range(starts.size - 1):
        for g in range(place.shape[0]):
            for i in range(starts[s], starts[s + 1]):
                w = chance[s, g] * weight[i]
                top[place[g, i]] += w * value[i]
                bottom[place[g, i]] += w


@njit(cache=True, nogil=True, error_model="numpy")
def _chances(starts, place, value, weight, noise, top, bottom, chance):  # type: ignore[no-untyped-def]
    """Update the probability of each setting of each still; return log likelihood and change."""
    total, change = 0.0, 0.0
    n_ops = place.shape[0]
    fit = np.empty(n_ops)
    for s in range(starts.size - 1):
        # the still's own contribution is subtracted from the means it is compared to
        for g in range(n_ops):
            for i in range(starts[s], starts[s + 1]):
                w = chance[s, g] * weight[i]
                top[place[g, i]] -= w * value[i]
                bottom[place[g, i]] -= w
        for g in range(n_ops):
            fit[g] = 0.0
            for i in range(starts[s], starts[s + 1]):
                b = max(bottom[place[g, i]], 0.0)
                off = value[i] - top[place[g, i]] / (b + _PRIOR)
                spread = noise * (1.0 + weight[i] / (b + _PRIOR))
                fit[g] -= 0.5 * (weight[i] * off * off / spread + math.log(spread))
        best, norm = fit.max(), 0.0
        for g in range(n_ops):
            norm += math.exp(fit[g] - best)
        total += best + math.log(norm / n_ops)
        for g in range(n_ops):
            new = math.exp(fit[g] - best) / norm
            change = max(change, abs(new - chance[s, g]))
            for i in range(starts[s], starts[s + 1]):
                top[place[g, i]] += new * weight[i] * value[i]
                bottom[place[g, i]] += new * weight[i]
            chance[s, g] = new
    return total, change


def chances_of_settings(
    starts: Integers, place: Integers, value: Floats, weight: Floats, n_unique: int, seed: int
) -> tuple[Floats, float]:
    """Return the probability of each setting of each still (stills, k), and the log likelihood.

    starts : (stills + 1,) first observation of each still. place : (k, n) unique reflection of each
    observation in each setting. value, weight : (n,) of normalised intensities, whose mean is 0.
    seed : a still that is in its first setting in the first round.
    """
    n_ops, n_stills = len(place), len(starts) - 1
    chance = np.full((n_stills, n_ops), 1.0 / n_ops)
    chance[seed] = 0.0
    chance[seed, 0] = 1.0
    noise = float((weight * value**2).sum() / weight.size)
    top, bottom = np.empty(n_unique), np.empty(n_unique)
    total = -math.inf
    for _ in range(_ROUNDS):
        _sums(starts, place, value, weight, chance, top, bottom)
        total, change = _chances(starts, place, value, weight, noise, top, bottom, chance)
        if change < _SETTLED:
            break
    return chance, total
