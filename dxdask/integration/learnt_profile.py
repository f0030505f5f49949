"""Profiles learnt from the sums of strong reflections, and the choice between them and Gaussians.

Profiles are learnt by region of the frame and stretch of the scan (`reference_profiles`), and that
of a reflection lies between those of the two nearest stretches; along the rotation they stay
Gaussians.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats
from dxdask.integration.context import IntegrationContext
from dxdask.integration.gaussian import Learnt, Profiles, with_learnt
from dxdask.integration.profile_comparison import compare_profiles
from dxdask.integration.profile_sums import REGIONS, Places, ProfileSums, places
from dxdask.integration.reference_profiles import beyond, reference_profiles


def with_best_profile(
    context: IntegrationContext, sums: ProfileSums, frame: tuple[int, ...]
) -> IntegrationContext:
    """Return the context with learnt profiles, if these are chosen, and a message of the choice.

    frame : shape of a frame. Too few strong reflections leave the Gaussian.
    """
    given, found = context.fit, compare_profiles(sums, context.fit.learnt.half)
    chosen = found.learnt_is_better if given.algorithm == "auto" else found.n_used > 0
    name = "learnt from strong reflections" if chosen else "Gaussian"
    note = (
        f" Profile: {name}; by {found.n_used} strong reflections on frames a learnt one has "
        f"{found.variance:.2f} times the variance of a Gaussian for weak ones, and its fits vary "
        f"along the scan by {100 * found.learnt_spread:.1f} % (Gaussian: "
        f"{100 * found.spread:.1f} %)"
    )
    if not found.n_used:
        note = " Profile: Gaussian; no reflection is strong enough to learn from"
    if not chosen:
        return replace(context, note=note)
    at = places(context.shapes, given.learnt, frame)
    profile = _fitted(context.shapes.profile, at, sums, given.learnt.half)
    return replace(context, note=note, shapes=context.shapes._replace(profile=profile))


def _fitted(p: Profiles, at: Places, sums: ProfileSums, half: float) -> Profiles:
    """Return the profiles with the mean of those of the two nearest places of the scan of each."""
    learnt = learn(sums, half)
    along = np.clip(at.along - sums.first, 0.0, learnt.at[-1])
    first = np.clip(np.searchsorted(learnt.at, along) - 1, 0, max(len(learnt.at) - 2, 0))
    grids = np.minimum(np.stack([first, first + 1], axis=1), len(learnt.at) - 1)
    second = np.interp(along, learnt.at, np.arange(float(len(learnt.at)))) - first
    return with_learnt(p, learnt.profiles, grids * REGIONS**2 + at.region[:, None], second)


class LearntAlong(NamedTuple):
    """Profiles (place x region, n, n) at places of the scan `at`, stretches from the first one."""

    profiles: Learnt
    at: Floats


def learn(sums: ProfileSums, half: float) -> LearntAlong:
    """Return the profiles at the middles of the stretches and at both ends.

    half : of the grid, widths.
    """
    grids, n = reference_profiles(sums.stretches, half), len(sums.stretches)
    at: Floats = np.asarray(np.arange(n) + 0.5, dtype=np.float64)
    if n > 1:
        ends = beyond(grids[0], grids[1]), beyond(grids[-1], grids[-2])
        grids = np.concatenate([ends[:1], grids, ends[1:]])
        at = np.concatenate([np.zeros(1), at, np.full(1, float(n))])
    return LearntAlong(Learnt(grids.reshape(-1, *grids.shape[2:]), half), at)
