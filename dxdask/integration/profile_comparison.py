"""Comparison of the Gaussian with learnt profiles, by strong reflections not learnt from.

Each half of the strong reflections is compared, by parts of the scan, with what the other half
gives for this part. A fit of the profile q to counts of the density p has the intensity I sum(q p)
/ sum(q^2), and where most counts are background the variance sum(q^2) / sum(q p)^2 after it is
calibrated (Diamond 1969, Acta Cryst. A25, 43): so the sums foretell what a profile gains, and how
far its fits vary along the scan.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.integration.profile_pixels import COUNTS, EXPECTED, UNIT
from dxdask.integration.profile_sums import ProfileSums
from dxdask.integration.reference_profiles import gaussian_density, stretch_profiles

_MOST = 0.9  # variance of weak fits with the learnt profile, over that with the Gaussian
_LEAST_SPREAD = 0.02  # of Gaussian fits along the scan
_PARTS = 12  # of the scan; stretches next to each other are put together


class Comparison(NamedTuple):
    """What strong reflections that were not learnt from say of either profile.

    variance : of weak fits with the learnt profile, over that with the Gaussian. spread,
    learnt_spread : relative standard deviations along the scan of fits with the Gaussian and with
    the learnt profile. n_used : as in `ProfileSums`.
    """

    variance: float
    spread: float
    learnt_spread: float
    n_used: int

    @property
    def learnt_is_better(self) -> bool:
        """True if weak fits gain by the learnt profile, or vary along the scan without it."""
        varies = self.spread > _LEAST_SPREAD and self.learnt_spread < 0.5 * self.spread
        return self.variance < _MOST or varies


def compare_profiles(sums: ProfileSums, half: float, n_parts: int = _PARTS) -> Comparison:
    """Return how the two profiles fit: each half by what is learnt from the other.

    half : of the grid, widths. n_parts : most parts of the scan.
    """
    n = len(sums.stretches)
    parts = np.array_split(np.arange(n), max(min(n_parts, n), 1))
    halves = np.stack([sums.halves[:, p].sum(axis=1) for p in parts], axis=1)
    if not (halves[:, :, COUNTS].sum(axis=(1, 2, 3)) > 0).all():
        return Comparison(1.0, 0.0, 0.0, sums.n_used)
    base, every = gaussian_density(halves.shape[-1], half), []
    for own, other in ((0, 1), (1, 0)):
        learnt = base * stretch_profiles(halves[other], half)
        fits = [
            (*_fit(base, s), *_fit(q, s), s[COUNTS].sum() / UNIT)
            for s, q in zip(halves[own], learnt, strict=True)
            if s[COUNTS].sum() > 0
        ]
        level, variance, learnt_level, learnt_variance, counts = np.array(fits).T
        every.append(
            (
                np.average(learnt_variance / variance, weights=counts),
                _relative_variance(level, counts),
                _relative_variance(learnt_level, counts),
            )
        )
    variance, spread, learnt_spread = np.mean(every, axis=0)
    return Comparison(
        float(variance), float(np.sqrt(spread)), float(np.sqrt(learnt_spread)), sums.n_used
    )


def _fit(profile: Floats, sums: NDArray[np.int64]) -> tuple[float, float]:
    """Return fits of the profile (n, n) over intensities, and their variance if weak.

    sums : (3, n, n). The variance has an arbitrary unit.
    """
    square = float((profile**2 * sums[EXPECTED]).sum())
    signal = float((profile * sums[COUNTS]).sum())
    return signal / square, square * float(sums[EXPECTED].sum()) / signal**2


def _relative_variance(values: Floats, weights: Floats) -> float:
    mean = np.average(values, weights=weights)
    return float(np.average((values / mean - 1.0) ** 2, weights=weights))
