"""Bad pixels of a panel by the evidence of its images, with their reasons.

A pixel is compared with its neighbours in the 5 x 5 pixels around it: a dead one must lack the
counts of the darker quarter of them, a bright one exceed the brighter quarter. So neither side of a
shadow's edge or of a ring is bad, unless it is one or two pixels wide. A bright one must also
exceed the brightest of its eight neighbours, or be strong nearly always: the spots of a crystal are
wider than a pixel, and last for few images of a rotation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy
from numba import njit
from numpy.typing import NDArray

from dxdask.analysis.parameters import BadPixelParameters
from dxdask.analysis.pixel_evidence import VARIES, PanelEvidence
from dxdask.arrays import Floats, Mask
from dxdask.models import Panel

REASONS = ("untrusted", "dead", "hot", "strong")
UNTRUSTED, DEAD, HOT, STRONG = range(4)
# fewer neighbours do not determine the expected value of a pixel
LEAST_NEIGHBOURS = 5


class BadPixels(NamedTuple):
    """Bad pixels (n,), by panel and row by row.

    Attributes
    ----------
    panel, slow, fast : panel, and position in the panel.
    reason : index into `REASONS`.
    value : mean of its trusted counts, NaN where there is none.
    expected : mean of the neighbours with which it is compared, counts; NaN where there are none.
    fraction : of the images with a trusted count, those in which it is strong.
    """

    panel: NDArray[np.int64]
    slow: NDArray[np.int64]
    fast: NDArray[np.int64]
    reason: NDArray[np.int64]
    value: Floats
    expected: Floats
    fraction: Floats


def bad_pixels(
    evidence: Sequence[PanelEvidence],
    panels: Sequence[Panel],
    good: Sequence[Mask],
    parameters: BadPixelParameters,
) -> BadPixels:
    """Return the bad pixels among the good ones (slow, fast) of each panel.

    untrusted : never within the trusted range.
    dead : always the same count, improbable by chance: at no photon, by the Poisson probability
        for the mean of its neighbours; at a higher count k, for the mean k, the most probable one.
    hot : brighter than each of its eight neighbours in `fraction` of the images, improbable by
        chance: any of k + 1 equal pixels is the brightest in 1 / (k + 1) of them at most
        (binomial); and its mean is above that of its neighbours.
    strong : strong in `fraction` of the images (dials.find_bad_pixels), or in `cluster_fraction`
        where a neighbour is as bright, and above its neighbours.
    """
    n_pixels = max(1, sum(int(g.sum()) for g in good))
    found = [
        _of_panel(i, e, panel, g, parameters, n_pixels)
        for i, (e, panel, g) in enumerate(zip(evidence, panels, good, strict=True))
    ]
    return BadPixels(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _of_panel(
    index: int,
    e: PanelEvidence,
    panel: Panel,
    good: Mask,
    p: BadPixelParameters,
    n_pixels: int,
) -> BadPixels:
    seen = e.n_used > 0
    candidate = (e.n_strong >= p.fraction * e.n_used) | (e.n_high >= p.fraction * e.n_used)
    candidate |= e.constant > VARIES
    slow, fast = np.nonzero(good & (candidate | ~seen) & (e.n_images > 0))
    n, total = e.n_used[slow, fast].astype(np.float64), e.total[slow, fast] / e.parts
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / n - panel.pedestal
        fraction = e.n_strong[slow, fast] / n
    around, n_around = np.empty((len(slow), 3)), np.empty(len(slow), np.int64)
    _surroundings(e.total, e.n_used, slow, fast, around, n_around)
    around = around / e.parts - panel.pedestal
    darker, brighter, brightest = around.T
    limit = np.log(p.significance / n_pixels)

    reason = np.full(len(slow), -1)
    above, alone = (n >= p.min_images) & (n > 0), np.ones(len(slow), np.bool_)
    if p.min_ratio > 0:
        above &= mean > p.min_ratio * brighter
        alone = mean > p.min_ratio * brightest
    least = np.where(alone, p.fraction, max(p.fraction, p.cluster_fraction))
    reason[above & (fraction >= least)] = STRONG
    n_high = e.n_high[slow, fast].astype(np.float64)
    # the binomial probability of n_high or more of n
    by_chance = scipy.special.betainc(
        np.maximum(n_high, 1.0), n - n_high + 1.0, 1.0 / (n_around + 1.0)
    )
    steady = (n_high >= p.fraction * n) & (by_chance < np.exp(limit))
    reason[above & alone & steady & (n_around > 0)] = HOT
    never_moves = (e.constant[slow, fast] > VARIES) & (darker > 0)
    constant = e.constant[slow, fast] / e.parts
    photons = (constant - panel.pedestal) / panel.gain
    chance = _log_chance(n, photons, darker / panel.gain)
    reason[never_moves & (chance < limit)] = DEAD
    reason[n == 0] = UNTRUSTED
    expected = np.where(reason == DEAD, darker, brighter)
    rows = BadPixels(np.full(len(slow), index), slow, fast, reason, mean, expected, fraction)
    return take(rows, reason >= 0)


def take(pixels: BadPixels, which: NDArray[Any]) -> BadPixels:
    """Return the pixels given by a mask (n,) or by indices."""
    return BadPixels(*(column[which] for column in pixels))


def _log_chance(n: Floats, photons: Floats, expected: Floats) -> Floats:
    """Return the logarithm of the probability that all n counts are this number of photons."""
    k = np.maximum(photons, 0.0)
    likeliest = n * (k * np.log(np.maximum(k, 1e-300)) - k - scipy.special.gammaln(k + 1.0))
    return np.asarray(np.where(photons <= 0.0, -n * expected, likeliest))


@njit(cache=True, nogil=True, error_model="numpy")
def _surroundings(
    total: Any, n_used: Any, slow: Any, fast: Any, around: Any, n_around: Any
) -> None:
    """Fill, for each pixel, the number of trusted ones among its eight neighbours, and of mean
    counts (n, 3) the lower and upper quartile in the 5 x 5 around it, and the largest of the eight.
    """
    height, width = total.shape
    means = np.empty(24)
    for p in range(slow.size):
        n, near, brightest = 0, 0, -np.inf
        for j in range(max(0, slow[p] - 2), min(height, slow[p] + 3)):
            for i in range(max(0, fast[p] - 2), min(width, fast[p] + 3)):
                if n_used[j, i] > 0 and not (j == slow[p] and i == fast[p]):
                    means[n] = total[j, i] / n_used[j, i]
                    if abs(j - slow[p]) <= 1 and abs(i - fast[p]) <= 1:
                        near, brightest = near + 1, max(brightest, means[n])
                    n += 1
        n_around[p] = near
        around[p, :2], around[p, 2] = np.nan, brightest
        if n >= LEAST_NEIGHBOURS:
            means[:n].sort()
            around[p, 0], around[p, 1] = means[n // 4], means[n - 1 - n // 4]
