"""Stills that do not agree with the others, by their correlation with the merged intensities.

CC1/2 of the data without a still, less that with it, is positive for a still that makes the data
worse (delta CC1/2: Assmann, Brehm & Diederichs 2016, J. Appl. Cryst. 49, 1021). The correlation of
the observations of a still with the means of the other observations, both divided by the mean of
their resolution, finds the same stills at no cost, and is used here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.merging.stills.means import Means, Model
from dxdask.merging.stills.observations import StillObservations

_FEWEST = 10  # observations of a still with other observations of the reflection
_KNOWN = 0.5  # standard deviation of the others' mean, as a fraction of Wilson's


class Agreement(NamedTuple):
    """Correlation of each still with the others (nan for too few), and number of observations."""

    cc: Floats
    n: NDArray[np.int64]


def agreement_of(o: StillObservations, model: Model, means: Means, expected: Floats) -> Agreement:
    """Return the correlation of each still (stills,) with the means of the other observations.

    Observations whose reflection has others count, weighted by the square of their partiality.
    """
    usual = expected[o.place]
    known = np.flatnonzero(means.other_variance < (_KNOWN * usual) ** 2)
    still, n_stills = o.still[known], len(o.stills)
    p = model.partiality[known]
    weight = p * p
    x = o.intensity[known] / (model.scale[known] * usual[known] * np.maximum(p, 1e-3))
    y = means.other[known] / usual[known]

    def mean(values: Floats) -> Floats:
        total = np.bincount(still, weights=weight, minlength=n_stills)
        sums = np.bincount(still, weights=weight * values, minlength=n_stills)
        return np.divide(sums, total, out=np.zeros(n_stills), where=total > 0)

    x, y = x - mean(x)[still], y - mean(y)[still]
    spread = mean(x * x) * mean(y * y)
    n = np.bincount(still, minlength=n_stills)
    good = (n >= _FEWEST) & (spread > 0)
    cc = np.divide(mean(x * y), np.sqrt(spread), out=np.full(n_stills, np.nan), where=good)
    return Agreement(cc, n)


def rejected(agreement: Agreement, least: float | None) -> NDArray[np.bool_]:
    """Return the stills (stills,) whose correlation with the others is less than `least`.

    A still with too few observations in common with others is kept, and so are two stills without
    a third: either of them may be wrong.
    """
    if least is None or len(agreement.cc) < 3:
        return np.zeros(len(agreement.cc), np.bool_)
    low = agreement.cc + 1.0 / np.sqrt(np.maximum(agreement.n, 1))
    return np.asarray(np.isfinite(agreement.cc) & (low < least))
