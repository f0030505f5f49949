"""Intensities of overlapping reflections are right whatever their neighbours are."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.painted_frames import Painted, experiment, paint

from dxdask.columns import Flag, has_flag
from dxdask.integration import integrate
from dxdask.integration.blocks import combine_sums, sum_block
from dxdask.integration.context import integration_context
from dxdask.integration.overlaps import PixelTotals, fit_together, neighbours
from dxdask.integration.pairs import (
    N_PAIR_SUMS,
    PQ,
    WPQ,
    WWPPQ,
    WWPQ,
    WWPQQ,
    PairSums,
    add_pairs,
    no_pairs,
)
from dxdask.integration.parameters import IntegrationParameters
from dxdask.integration.prediction import predict
from dxdask.integration.sums import WEIGHTED_2, WEIGHTED_2_SQUARED
from dxdask.integration.weighted_pixels import MOST, SHIFT
from dxdask.scaling.intensities import estimates

pytestmark = pytest.mark.jit
DENSE = (110.0, 120.0, 130.0, 90.0, 90.0, 90.0)


def deviations(p: Painted) -> tuple[np.ndarray, np.ndarray, dict]:
    """Return z (n,) of the best estimates, the rows that are estimated, and the reflections."""
    r = integrate(p.frames, p.mask, p.experiment, p.predicted).reflections
    e = estimates(r, np.arange(len(r["d"])), "combine", expected=True)
    true = p.intensity * r["partiality"]
    found, variance, slope = e.combined(true)
    good = (e.has_sum | e.has_fit) & (r["partiality"] > 0.4)
    return (found - true) / np.sqrt(variance + slope * true), good, r


def shared_part(p: Painted) -> np.ndarray:
    """Return the number of reflections (n,) that share pixels with each."""
    context = integration_context(p.predicted, p.experiment, IntegrationParameters())
    pairs = sum_block(p.frames, 0, context, p.mask).pairs
    n = len(p.predicted["d"])
    return np.bincount(pairs.first, minlength=n) + np.bincount(pairs.second, minlength=n)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"cell": DENSE}, marks=pytest.mark.slow),
        {"cell": (80.0, 90.0, 100.0, 90.0, 90.0, 90.0), "n_sigma": 4.0},
        pytest.param(
            {"cell": (80.0, 90.0, 100.0, 90.0, 90.0, 90.0), "sigma_m": 0.006, "n_images": 14},
            marks=pytest.mark.slow,
        ),
    ],
    ids=["dense lattice", "wide foreground", "wide mosaicity"],
)
def test_overlapping_intensities_are_unbiased_and_their_errors_honest(changed):
    p = paint(experiment(**{"n_images": 4, "n_sigma": 3.0} | changed))
    z, good, _ = deviations(p)
    rows = good & (shared_part(p) > 0)
    assert rows.sum() > 500
    assert abs(z[rows].mean()) < 0.1
    spread = 1.4826 * np.median(np.abs(z[rows] - np.median(z[rows])))
    assert 0.9 < spread < 1.1
    # nearly all are usable: an overlap does not disqualify
    assert good.sum() > 0.95 * (p.predicted["partiality"] > 0.4).sum()


@pytest.mark.slow
def test_a_strong_neighbour_adds_nothing_to_a_weak_one():
    e = experiment(cell=DENSE, n_images=3, n_sigma=3.5)
    p = paint(e)
    rng = np.random.default_rng(5)
    strong = rng.uniform(size=len(p.intensity)) < 0.3
    expected = np.full(p.expected.shape, p.background)
    intensity = np.where(strong, 3000.0, 20.0)
    painted = paint_these(e, p, intensity, expected)
    z, good, _ = deviations(painted)
    weak = good & ~strong & (shared_part(painted) > 1)
    assert weak.sum() > 300
    assert abs(np.median(z[weak])) < 0.3


def paint_these(e, p: Painted, intensity: np.ndarray, expected: np.ndarray) -> Painted:
    from support.painted_frames import _add

    for i in range(len(intensity)):
        _add(expected, p.predicted, i, intensity[i], e)
    frames = np.random.default_rng(3).poisson(expected).astype(np.uint16)
    return replace(p, frames=frames, expected=expected, intensity=intensity)


def test_flags_are_left_to_sums_that_are_mostly_of_the_profile():
    p = paint(experiment(cell=DENSE, n_images=3, n_sigma=4.0))
    _, _, r = deviations(p)
    flagged, some = has_flag(r, Flag.OVERLAPPED_FG), shared_part(p) > 0
    assert 0 < flagged.sum() < 0.5 * some.sum()


def test_reflections_in_one_place_are_not_told_apart():
    e = experiment(n_images=4)
    one = predict(e)
    n = len(one["d"])
    twice = {name: np.concatenate([v, v]) for name, v in one.items()}
    p = paint(e)
    r = integrate(p.frames, p.mask, e, twice).reflections
    assert has_flag(r, Flag.FAILED_DURING_PROFILE_FITTING).all()
    assert has_flag(r, Flag.OVERLAPPED_FG)[n:].all()


def pair_sums(p: np.ndarray, q: np.ndarray, w: np.ndarray) -> PairSums:
    """Return the sums of one pair, of whole weights of pixels and profiles."""
    p, q = p >> SHIFT, q >> SHIFT
    columns = np.zeros((1, N_PAIR_SUMS), dtype=np.int64)
    for k, term in ((PQ, p * q), (WPQ, w * p * q), (WWPQ, w * w * p * q)):
        columns[0, k] = term.sum()
    columns[0, WWPPQ], columns[0, WWPQQ] = (w * w * p * p * q).sum(), (w * w * p * q * q).sum()
    return PairSums(np.array([0]), np.array([1]), columns)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_joint_fit_of_two_is_that_of_weighted_least_squares(seed):
    rng = np.random.default_rng(seed)
    whole = (rng.uniform(0.0, 2.0**17, (2, 40)).astype(np.int64) >> SHIFT) << SHIFT
    weight = rng.integers(1, MOST + 1, 40)
    scale, w = 1e-6, weight / MOST
    p, q = scale * whole
    c = 5.0 * p + 70.0 * q + rng.normal(0.0, 0.1, 40)
    near = neighbours(pair_sums(*whole, weight), np.full(2, scale))
    totals = PixelTotals(
        *(
            np.array([f(v).sum() for v in (p, q)])
            for f in (
                lambda v: w * v,
                lambda v: w * v**2,
                lambda v: w * v * c,
                lambda v: w**2 * v**2,
                lambda v: w**2 * v**3,
            )
        )
    )
    fit = fit_together(near, totals, np.ones(2, dtype=bool))
    design = np.stack([p, q], axis=1)
    inverse = np.linalg.inv(design.T @ (w[:, None] * design))
    weights = inverse @ design.T * w
    np.testing.assert_allclose(fit.intensity, weights @ c, rtol=1e-5)
    np.testing.assert_allclose(fit.weight2, (weights**2).sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(fit.weight, weights.sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(fit.slope, (weights**2 * [p, q]).sum(axis=1), rtol=1e-6)
    others = (weights**2 * [q, p]).sum(axis=1) * fit.intensity[::-1]
    np.testing.assert_allclose(fit.others, others, rtol=1e-6)


def test_a_neighbour_that_is_not_fitted_is_absent():
    near = neighbours(PairSums(np.array([0]), np.array([1]), np.ones((1, 7), int)), np.ones(2))
    totals = PixelTotals(*(np.array([v, v], dtype=float) for v in (1.0, 2.0, 6.0, 2.0, 1.0)))
    fit = fit_together(near, totals, np.array([True, False]))
    np.testing.assert_allclose(fit.intensity, [3.0, 0.0])
    assert fit.inflation[0] == pytest.approx(1.0, rel=1e-6)


def test_weights_of_overlaps_are_the_same_in_any_blocks():
    p = paint(experiment(cell=DENSE, n_images=6, n_sigma=3.0))
    context = integration_context(p.predicted, p.experiment, IntegrationParameters())
    whole = sum_block(p.frames, 0, context, p.mask)
    weighted = whole.sums[:, WEIGHTED_2] > 0
    assert weighted.sum() > 300
    for cuts in ([0, 1, 2, 3, 4, 5, 6], [0, 4, 6]):
        parts = [sum_block(p.frames[a:b], a, context, p.mask) for a, b in pairwise(cuts)]
        both = combine_sums(parts[::-1], context.background)
        np.testing.assert_array_equal(both.sums, whole.sums)
        np.testing.assert_array_equal(both.pairs.sums, whole.pairs.sums)


def test_pixels_under_a_strong_reflection_weigh_less():
    e = experiment(cell=DENSE, n_images=3, n_sigma=3.0)
    p = paint(e)
    context = integration_context(p.predicted, e, IntegrationParameters())
    bright, dark = (
        sum_block(frames, 0, context, p.mask).sums for frames in (p.frames, p.frames * 0 + 1)
    )
    rows = dark[:, WEIGHTED_2] > 0
    # without counts of reflections all pixels have the weight of the background
    np.testing.assert_allclose(
        dark[rows, WEIGHTED_2_SQUARED], MOST * dark[rows, WEIGHTED_2], rtol=1e-12
    )
    part = bright[rows, WEIGHTED_2] / dark[rows, WEIGHTED_2]
    strong = p.intensity[rows] > 600.0
    assert np.median(part[strong]) < 0.3
    assert np.median(part[strong]) < 0.6 * np.median(part[~strong])


def test_sums_of_pairs_are_added_by_pair():
    one = PairSums(np.array([0, 2]), np.array([1, 3]), np.arange(14).reshape(2, 7))
    two = PairSums(np.array([0]), np.array([1]), np.full((1, 7), 100))
    both = add_pairs([one, no_pairs(), two])
    assert both.first.tolist() == [0, 2]
    assert both.second.tolist() == [1, 3]
    assert both.sums[:, PQ].tolist() == [100, 7]
    assert len(add_pairs([no_pairs()]).first) == 0
