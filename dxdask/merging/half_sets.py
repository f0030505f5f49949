"""Correlations of random half-sets, their significance, and the anomalous signal.

CC1/2 and CC_anom: Karplus & Diederichs 2012, Science 336, 1030; Evans & Murshudov 2013, D69, 1204.
A correlation of n pairs is significant where it exceeds what Student's t distribution of n - 2
degrees of freedom exceeds with the probability given.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy

from dxdask.arrays import Floats, Mask
from dxdask.merging.observed import Observed
from dxdask.merging.statistics import cc_half

CENTRAL = 0.9
"""Largest expected normal deviate of the part of the normal probability plot that gives the slope.
"""
SIGNIFICANCE = 0.01


class HalfSets:
    """Means of half-sets and Friedel mates of unique reflections (m,).

    Attributes
    ----------
    halves : (m, 2) means of half-sets, Friedel mates together; nan where there is none.
    differences : (m, 2) I(+) - I(-) of each half-set; nan likewise.
    counts : (m, 2) observations of I(+) and I(-).
    delta, delta_sigma : (m,) I(+) - I(-) of all observations, and its standard deviation.
    half_sigma, half_counts : (m, 2) of `halves`.
    """

    def __init__(self, observed: Observed) -> None:
        sums = observed.sums()
        self.centric = observed.centric
        self.counts = sums[..., 0].sum(axis=2)
        both = sums.sum(axis=1)
        self.half_counts = both[..., 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            self.halves = both[..., 2] / both[..., 1]
            self.half_sigma = np.where(both[..., 1] > 0, both[..., 1] ** -0.5, np.nan)
            by_sign = sums[..., 2] / sums[..., 1]
            self.differences = by_sign[:, 0] - by_sign[:, 1]
            whole = sums.sum(axis=2)
            mean = whole[..., 2] / whole[..., 1]
            self.delta = mean[:, 0] - mean[:, 1]
            self.delta_sigma = np.sqrt(1 / whole[:, 0, 1] + 1 / whole[:, 1, 1])

    def cc_half(self, rows: Mask) -> tuple[float | None, int]:
        """Return CC1/2 of the reflections of a mask (m,), and their number."""
        return _correlation(self.halves[rows])

    def cc_anom(self, rows: Mask) -> tuple[float | None, int]:
        """Return the correlation of anomalous differences of the half-sets, and their number."""
        return _correlation(self.differences[rows])

    def anomalous_slope(self, rows: Mask) -> float | None:
        """Return the mid-slope of the normal probability plot of (I(+) - I(-)) / sigma.

        By least squares over expected deviates within 0.9; 1 without anomalous signal and with
        right errors (Howell & Smith 1992, J. Appl. Cryst. 25, 81).
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            z = np.sort((self.delta / self.delta_sigma)[rows])
        z = z[np.isfinite(z)]
        expected = scipy.special.ndtri((np.arange(len(z)) + 0.5) / max(len(z), 1))
        middle = np.abs(expected) < CENTRAL
        if middle.sum() < 3:
            return None
        return float(np.polyfit(expected[middle], z[middle], 1)[0])

    def paired(self, rows: Mask) -> Mask:
        """Return true for acentric reflections (m,) of a mask with both I(+) and I(-)."""
        return np.asarray(rows & ~self.centric & (self.counts > 0).all(axis=1))

    def anomalous_multiplicity(self, rows: Mask) -> float | None:
        """Return the observations for each I(+) and I(-) that was seen, of acentric reflections."""
        counts = self.counts[rows & ~self.centric]
        seen = int((counts > 0).sum())
        return float(counts.sum()) / seen if seen else None


def critical_correlation(n: int, probability: float = SIGNIFICANCE) -> float | None:
    """Return the correlation of n pairs that chance exceeds with this probability."""
    if n <= 2:
        return None
    t = -float(scipy.special.stdtrit(n - 2, probability))
    return t / float(np.sqrt(n - 2 + t * t))


def half_set_row(half_sets: HalfSets, rows: Mask, n_acentric: int) -> dict[str, Any]:
    """Return the correlations and the anomalous completeness of the reflections of a mask (m,).

    n_acentric : possible acentric reflections.
    """
    cc, n = half_sets.cc_half(rows)
    anomalous, n_pairs = half_sets.cc_anom(rows)
    return {
        "cc_half": cc,
        "cc_half_critical": critical_correlation(n),
        "n_half": n,
        "cc_anom": anomalous,
        "cc_anom_critical": critical_correlation(n_pairs),
        "n_anom": n_pairs,
        "anomalous_completeness": int(half_sets.paired(rows).sum()) / n_acentric
        if n_acentric
        else None,
        "anomalous_multiplicity": half_sets.anomalous_multiplicity(rows),
        "anomalous_slope": half_sets.anomalous_slope(rows),
    }


def _correlation(pairs: Floats) -> tuple[float | None, int]:
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    return cc_half(pairs[:, 0], pairs[:, 1]), len(pairs)
