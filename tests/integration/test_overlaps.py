"""Intensities of overlapping reflections are right whatever their neighbours are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.painted_frames import Painted, experiment, paint

from dxdask.columns import Flag, has_flag
from dxdask.integration import integrate
from dxdask.integration.blocks import sum_block
from dxdask.integration.context import integration_context
from dxdask.integration.overlaps import fit_together, neighbours
from dxdask.integration.pairs import PQ, PairSums, add_pairs, no_pairs
from dxdask.integration.parameters import IntegrationParameters
from dxdask.integration.prediction import predict
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


def test_a_joint_fit_of_two_is_that_of_least_squares():
    rng = np.random.default_rng(1)
    p, q = rng.uniform(0.0, 0.1, (2, 40))
    c = 5.0 * p + 70.0 * q + rng.normal(0.0, 0.1, 40)
    pairs = PairSums(
        np.array([0]),
        np.array([1]),
        np.array([[(p * q).sum(), (p * p * q).sum(), (p * q * q).sum(), 0, 0]]),
    )
    near = neighbours(pairs, np.ones(2))
    powers = [np.array([(v**k).sum() for v in (p, q)]) for k in (1, 2, 3)]
    fit = fit_together(near, *powers, np.array([p @ c, q @ c]), np.ones(2, dtype=bool))
    design = np.stack([p, q], axis=1)
    np.testing.assert_allclose(fit.intensity, np.linalg.lstsq(design, c, rcond=None)[0], rtol=1e-5)
    inverse = np.linalg.inv(design.T @ design)
    weights = inverse @ design.T
    np.testing.assert_allclose(fit.weight2, np.diag(inverse), rtol=1e-6)
    np.testing.assert_allclose(fit.weight, weights.sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(fit.slope, (weights**2 * [p, q]).sum(axis=1), rtol=1e-6)
    others = (weights**2 * [q, p]).sum(axis=1) * fit.intensity[::-1]
    np.testing.assert_allclose(fit.others, others, rtol=1e-6)


def test_a_neighbour_that_is_not_fitted_is_absent():
    pairs = PairSums(np.array([0]), np.array([1]), np.array([[1, 1, 1, 0, 0]]))
    near = neighbours(pairs, np.ones(2))
    ones = np.ones(2)
    fit = fit_together(near, ones, 2 * ones, ones, 6 * ones, np.array([True, False]))
    np.testing.assert_allclose(fit.intensity, [3.0, 0.0])
    assert fit.inflation[0] == pytest.approx(1.0, rel=1e-6)


def test_sums_of_pairs_are_added_by_pair():
    one = PairSums(np.array([0, 2]), np.array([1, 3]), np.arange(10).reshape(2, 5))
    two = PairSums(np.array([0]), np.array([1]), np.full((1, 5), 100))
    both = add_pairs([one, no_pairs(), two])
    assert both.first.tolist() == [0, 2]
    assert both.second.tolist() == [1, 3]
    assert both.sums[:, PQ].tolist() == [100, 5]
    assert len(add_pairs([no_pairs()]).first) == 0
