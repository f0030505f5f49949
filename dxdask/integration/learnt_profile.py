"""Profiles learnt from the sums of strong reflections, and the choice between them and Gaussians.

Profiles are learnt by region of the frame and stretch of the scan; along the rotation they stay
Gaussians.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats
from dxdask.integration.context import IntegrationContext
from dxdask.integration.gaussian import Learnt, with_learnt
from dxdask.integration.profile_pixels import COUNTS, EXPECTED, UNIT
from dxdask.integration.profile_sums import REGIONS, ProfileSums, places

_PRIOR_COUNTS = 200.0  # of a point of the grid, from the larger region
# least part of the counts that a Gaussian misplaces, for `auto` to prefer the learnt one: Gaussians
# are fitted wider than spots (`local_profile`), by which they misplace an eighth
_BEST = 0.25
_BETTER = 0.7  # most of the residuals of the Gaussian that are left


def with_best_profile(
    context: IntegrationContext, sums: ProfileSums, frame: tuple[int, ...]
) -> IntegrationContext:
    """Return the context with learnt profiles, if these are chosen, and a message of the choice.

    frame : shape of a frame. Too few strong reflections leave the Gaussian.
    """
    given, found = context.fit, compare_profiles(sums)
    chosen = found.learnt_is_better if given.algorithm == "auto" else found.n_used > 0
    name = "learnt from strong reflections" if chosen else "Gaussian"
    note = (
        f" Profile: {name}; a Gaussian misplaces {100 * found.misplaced:.1f} % of the counts of "
        f"{found.n_used} strong reflections on frames, a learnt one has {found.ratio:.2f} times "
        "its squared residuals"
    )
    if not found.n_used:
        note = " Profile: Gaussian; no reflection is strong enough to learn from"
    if not chosen:
        return replace(context, note=note)
    learnt = learn(sums, given.learnt.half)
    stretch, region = places(context.shapes, given.learnt, frame)
    profile = with_learnt(context.shapes.profile, learnt, stretch * REGIONS**2 + region)
    return replace(context, note=note, shapes=context.shapes._replace(profile=profile))


class Comparison(NamedTuple):
    """Residuals of strong reflections that were not learnt from, by either profile.

    misplaced : part of the counts that the Gaussian misplaces beyond their errors. ratio : of the
    squared residuals of the learnt profile to those of the Gaussian. n_used : as in `ProfileSums`.
    """

    misplaced: float
    ratio: float
    n_used: int

    @property
    def learnt_is_better(self) -> bool:
        """True if the Gaussian does not fit, and the learnt profile does better."""
        return self.misplaced > _BEST and self.ratio < _BETTER


def compare_profiles(sums: ProfileSums) -> Comparison:
    """Return how the two profiles fit: each half by what is learnt from the other."""
    total = sums.sums.sum(axis=(1, 2)) / UNIT
    residual, gaussian, misplaced = 0.0, 0.0, 0.0
    for own, other in ((0, 1), (1, 0)):
        counts, expected, by_gaussian = total[own]
        if not counts.sum() > 0 or not total[other, COUNTS].sum() > 0:
            return Comparison(0.0, 1.0, sums.n_used)
        scale = counts.sum() / by_gaussian.sum()
        by_learnt = _density(total[other], _no_prior(expected.shape)) * expected
        variance = np.abs(counts) + scale * by_gaussian + 1.0
        off = counts - scale * by_gaussian
        gaussian += float((off**2 / variance).sum())
        residual += float(((counts - by_learnt) ** 2 / variance).sum())
        misplaced += 0.25 * float((np.abs(off) - np.sqrt(variance)).clip(0).sum() / counts.sum())
    return Comparison(misplaced, residual / gaussian if gaussian > 0 else 1.0, sums.n_used)


def learn(sums: ProfileSums, half: float) -> Learnt:
    """Return the profiles, (stretch x region, n, n): each with what the larger region has.

    half : of the grid, widths.
    """
    total = sums.sums.sum(axis=0) / UNIT
    whole = _density(total.sum(axis=(0, 1)), _no_prior(total.shape[-2:]))
    grids = [
        _density(region, _density(total[:, k].sum(axis=0), whole))
        for stretch in total
        for k, region in enumerate(stretch)
    ]
    return Learnt(np.stack(grids), half)


def _no_prior(shape: tuple[int, ...]) -> Floats:
    return np.zeros(shape)


def _density(sums: Floats, prior: Floats) -> Floats:
    """Return the density at the points of the grid, (n, n); not below 0."""
    weight = _PRIOR_COUNTS * np.where(prior.any(), 1.0, 1e-6)
    return np.asarray(
        np.maximum(sums[COUNTS] + weight * prior, 0.0) / np.maximum(sums[EXPECTED] + weight, 1e-9)
    )
