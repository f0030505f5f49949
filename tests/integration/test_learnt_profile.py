"""Profiles learnt from strong reflections, of frames with a known shape of spots."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from support.painted_frames import SIGMA_B, Painted, experiment, paint, two_peaked

from dxdask.columns import Flag, has_flag
from dxdask.integration import IntegrationParameters, integrate
from dxdask.integration.context import integration_context
from dxdask.integration.learnt_profile import learn, with_best_profile
from dxdask.integration.profile_comparison import compare_profiles
from dxdask.integration.profile_pixels import COUNTS
from dxdask.integration.profile_sums import ProfileSums, add_profile_sums, sum_profiles
from dxdask.response import DetectorResponse

pytestmark = pytest.mark.jit
CELL = (50.0, 55.0, 60.0, 85.0, 95.0, 100.0)


@cache
def painted(kind: str) -> Painted:
    e = experiment(cell=CELL, n_sigma=4.0, n_images=12)
    if kind == "gaussian":
        return paint(e, mean=600.0, background=1.0)
    return paint(e, mean=600.0, background=1.0, shape=two_peaked)


def parameters(algorithm: str, **profile) -> IntegrationParameters:
    return IntegrationParameters.model_validate({"profile": {"algorithm": algorithm, **profile}})


def run(kind: str, algorithm: str):
    p = painted(kind)
    return integrate(p.frames, p.mask, p.experiment, p.predicted, parameters(algorithm))


def deviations(kind: str, algorithm: str) -> np.ndarray:
    """Return the relative deviations of strong fitted intensities."""
    p, r = painted(kind), run(kind, algorithm).reflections
    rows = has_flag(r, Flag.INTEGRATED_PRF) & ~has_flag(r, Flag.OVERLAPPED_FG)
    rows &= (r["partiality"] > 0.999) & (p.intensity > 800.0)
    assert rows.sum() > 150
    return (r["intensity_prf"] / p.intensity - 1.0)[rows]


def sums(kind: str, first: int = 0, last: int | None = None) -> ProfileSums:
    p = painted(kind)
    context = integration_context(p.predicted, p.experiment, parameters("learnt"))
    return sum_profiles(p.frames[first:last], first, context, p.mask)


def test_spots_of_two_peaks_are_fitted_with_what_is_learnt():
    result = run("two peaks", "auto")
    assert any("Profile: learnt" in m for m in result.messages)
    learnt, gaussian = deviations("two peaks", "auto"), deviations("two peaks", "gaussian")
    assert np.std(learnt) < 0.75 * np.std(gaussian)
    assert abs(np.mean(learnt)) < 0.01
    # the excess over the errors of the counts is that of the profile
    noted = [run("two peaks", a).reflections["profile_error"].max() for a in ("auto", "gaussian")]
    assert noted[0] < 0.6 * noted[1]


def test_weak_spots_of_two_peaks_gain_by_the_learnt_profile():
    p = painted("two peaks")
    scatter = {}
    for algorithm in ("learnt", "gaussian"):
        r = run("two peaks", algorithm).reflections
        rows = has_flag(r, Flag.INTEGRATED_PRF) & ~has_flag(r, Flag.OVERLAPPED_FG)
        rows &= (r["partiality"] > 0.999) & (p.intensity < 200.0)
        off = (r["intensity_prf"] - p.intensity)[rows]
        assert abs(off.mean()) < 4 * off.std() / np.sqrt(len(off))
        scatter[algorithm] = np.sqrt(np.mean(off**2))
    assert scatter["learnt"] < 0.95 * scatter["gaussian"]


def test_auto_keeps_a_gaussian_that_fits():
    kept, given = run("gaussian", "auto"), run("gaussian", "gaussian")
    assert any("Profile: Gaussian" in m for m in kept.messages)
    assert given.messages == tuple(m for m in kept.messages if "Profile: " not in m)
    for name, values in given.reflections.items():
        np.testing.assert_array_equal(kept.reflections[name], values)


def test_a_learnt_gaussian_is_as_good():
    learnt, gaussian = deviations("gaussian", "learnt"), deviations("gaussian", "gaussian")
    assert abs(np.mean(learnt)) < 0.01
    assert np.std(learnt) < 1.05 * np.std(gaussian)


def test_sums_are_the_same_in_any_blocks_and_order():
    whole = sums("two peaks")
    assert whole.n_used > 300
    for cuts in ([0, 1, 5, 12], [0, 7, 12]):
        parts = [sums("two peaks", a, b) for a, b in pairwise(cuts)]
        for order in (parts, parts[::-1]):
            both = add_profile_sums(order)
            np.testing.assert_array_equal(both.halves, whole.halves)
            np.testing.assert_array_equal(both.stretches, whole.stretches)
            assert (both.first, both.n_used) == (whole.first, whole.n_used)


def test_counts_of_a_response_are_learnt_from_as_photons():
    p, response = painted("two peaks"), DetectorResponse(threshold=30, factor=1.3, offset=4.0)
    given = parameters("learnt")
    context = integration_context(p.predicted, p.experiment, given, response=response)
    recorded = response.counts(p.frames).astype(p.frames.dtype)
    assert (recorded != p.frames).any()
    found = sum_profiles(recorded, 0, context, p.mask)
    np.testing.assert_array_equal(found.stretches, sums("two peaks").stretches)


def test_a_learnt_profile_holds_the_counts():
    found = learn(sums("two peaks"), 5.0).profiles
    step = 2.0 * found.half / (found.grids.shape[1] - 1)
    np.testing.assert_allclose(found.grids.sum(axis=(1, 2)) * step**2, 1.0, atol=0.12)
    total = sums("two peaks").halves.sum(axis=(0, 1))[COUNTS]
    # two peaks along the first axis
    middle = total[:, :].sum(axis=0)
    assert (np.sign(np.diff(np.convolve(middle, np.ones(5), "valid"))) != 0).sum() > 2


def test_the_comparison_tells_the_shapes_apart():
    two, one = compare_profiles(sums("two peaks"), 5.0), compare_profiles(sums("gaussian"), 5.0)
    assert two.learnt_is_better
    assert two.variance < 0.8
    assert not one.learnt_is_better
    assert 0.93 < one.variance < 1.03
    assert max(one.spread, two.spread) < 0.01


def test_without_strong_reflections_the_gaussian_is_kept():
    p = painted("gaussian")
    context = integration_context(p.predicted, p.experiment, parameters("learnt"))
    nothing = sum_profiles(np.zeros_like(p.frames[:2]), 0, context, p.mask)
    assert nothing.n_used == 0
    chosen = with_best_profile(context, nothing, p.mask.shape)
    assert (chosen.shapes.profile.learnt == -1).all()
    assert "no reflection is strong enough" in chosen.note


def test_frames_that_cannot_be_read_add_nothing():
    p = painted("gaussian")
    context = integration_context(p.predicted, p.experiment, parameters("learnt"))
    some = sum_profiles(p.frames[:3], 0, context, p.mask, unreadable=(0, 1, 2))
    assert not some.halves.any()
    assert not some.stretches.any()


def growing() -> tuple[Painted, IntegrationParameters]:
    """Return spots whose width doubles along the scan, and parameters with short stretches."""
    e = experiment(cell=CELL, n_sigma=4.0, n_images=12)
    widths = SIGMA_B * np.linspace(2.0 / 3.0, 4.0 / 3.0, 12)
    varying = replace(e, profile=replace(e.profile, sigma_b_by_image=tuple(widths.tolist())))
    p = paint(varying, mean=600.0, background=1.0)
    return replace(p, experiment=e), parameters("auto", learnt={"scan_step": 1.0})


def test_auto_sees_widths_that_change_along_the_scan():
    p, auto = growing()
    result = integrate(p.frames, p.mask, p.experiment, p.predicted, auto)
    assert any("Profile: learnt" in m for m in result.messages)
    context = integration_context(p.predicted, p.experiment, auto)
    found = sum_profiles(p.frames, 0, context, p.mask)
    by_parts = compare_profiles(found, 5.0)
    assert by_parts.spread > 0.1
    assert by_parts.learnt_spread < 0.3 * by_parts.spread
    # the run as a whole does not show it
    whole = compare_profiles(found, 5.0, n_parts=1)
    assert whole.spread == 0.0
    assert not whole.learnt_is_better


@pytest.mark.parametrize("seed", range(3))
def test_few_strong_reflections_leave_a_gaussian_that_fits(seed):
    e = experiment(cell=CELL, n_sigma=4.0, n_images=12)
    p = paint(e, mean=130.0, background=1.0, seed=seed)
    context = integration_context(p.predicted, e, parameters("auto", learnt={"scan_step": 0.5}))
    found = sum_profiles(p.frames, 0, context, p.mask)
    assert 10 < found.n_used < 150
    assert not compare_profiles(found, 5.0).learnt_is_better
