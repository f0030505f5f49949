"""Stills that spoil the others: told by the correlation with what the others say.

CC1/2 of the data without a still, less that with it, is positive for what spoils them (delta CC1/2:
Assmann, Brehm & Diederichs 2016, J. Appl. Cryst. 49, 1021). The same shows, at no cost, in how the
observations of the still correlate with the intensities that the others give, both divided by what
is usual at their resolution: that is what is used here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.merging.stills.means import Means, Model
from dxdask.merging.stills.observations import Observations

_FEWEST = 10  # observations of a still of which others say something
_KNOWN = 0.5  # standard deviation of what others say, as a fraction of Wilson's


class Agreement(NamedTuple):
    """Of each still: correlation (nan where too few) and on how many observations it is."""

    cc: Floats
    n: NDArray[np.int64]


def agreement_of(o: Observations, model: Model, means: Means, expected: Floats) -> Agreement:
    """Return how the observations of each still (stills,) correlate with what others say.

    Of those that others know at all, each weighted by its partiality.
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
    """Return which stills (stills,) agree with the others less than `least`.

    A still with too few observations in common with others to tell is kept, and so are two
    that are all there is: nothing tells which of them is wrong.
    """
    if least is None or len(agreement.cc) < 3:
        return np.zeros(len(agreement.cc), np.bool_)
    low = agreement.cc + 1.0 / np.sqrt(np.maximum(agreement.n, 1))
    return np.asarray(np.isfinite(agreement.cc) & (low < least))
