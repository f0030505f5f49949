"""Means and planes without outliers, against plain NumPy, and the robust log-linear regression."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from dxdask.integration.background_surface import (
    PLANE,
    RADIAL,
    robust_log_linear,
    surfaces,
)
from dxdask.integration.footprints import Footprints
from dxdask.integration.simple_background import (
    BY_PLANE,
    NSIGMA,
    NULL,
    TRUNCATED,
    TUKEY,
    Rejection,
    planes,
    simple_means,
)

SIZE = 13  # of the box of the footprints here, px
some_counts = st.lists(st.integers(0, 40), min_size=10, max_size=80)


def mean_of(counts, rejection, min_pixels=1):
    values, n = np.unique(counts, return_counts=True)
    found = simple_means(
        np.array([0]),
        np.array([0, len(values)]),
        values.astype(np.int32),
        n.astype(np.int64),
        rejection,
        min_pixels=min_pixels,
    )
    return found.mean[0], found.n_used[0]


def plain(counts, rejection):
    """Return what is left of the counts, one by one."""
    c = np.sort(np.asarray(counts, float))
    kind, lower, upper = rejection
    if kind == NSIGMA:
        while len(c) > 1:
            low, high = c.mean() - lower * c.std(ddof=1), c.mean() + upper * c.std(ddof=1)
            kept = c[(c >= low) & (c <= high)]
            if len(kept) == len(c):
                break
            c = kept
    elif kind == TRUNCATED:
        c = c[int(lower * len(c)) : len(c) - int(upper * len(c))]
    elif kind == TUKEY:
        first, third = c[int(0.25 * len(c))], c[int(0.75 * len(c))]
        wide = third - first
        c = c[(c >= first - lower * wide) & (c <= third + upper * wide)]
    return c


@pytest.mark.parametrize(
    "rejection",
    [
        Rejection(NULL, 0, 0),
        Rejection(NSIGMA, 2.0, 2.5),
        Rejection(TRUNCATED, 0.05, 0.1),
        Rejection(TUKEY, 1.5, 1.0),
    ],
)
@given(counts=some_counts)
def test_means_are_those_of_a_plain_twin(rejection, counts):
    mean, n = mean_of(counts, rejection)
    left = plain(counts, rejection)
    assert n == len(left)
    np.testing.assert_allclose(mean, left.mean(), rtol=1e-12, atol=1e-12)


def test_too_few_pixels_have_no_mean():
    assert np.isnan(mean_of([1, 2, 3], Rejection(NULL, 0, 0), min_pixels=4)[0])


def footprint(mean, n_images=6, seed=1):
    """Return the footprint of a box with this mean (y, x), without a disc of foreground."""
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    inside = (np.hypot(x, y) < 2.6).ravel()
    n = np.where(inside, 0, n_images).astype(np.int32)
    counts = np.random.default_rng(seed).poisson(n * mean(x, y).ravel())
    geometry = np.array([[-SIZE / 2, -SIZE / 2, SIZE, 1.0, 0.0, SIZE / 2]])
    foreground = np.where(inside, n_images, 0).astype(np.int32)
    profile = np.where(inside, np.rint(1000 * np.exp(-0.5 * (x**2 + y**2).ravel())), 0)
    f = Footprints(
        geometry, np.array([0, SIZE**2]), counts.astype(np.int64), n, foreground,
        profile.astype(np.int32), np.ones(SIZE**2, dtype=np.float32),
    )  # fmt: skip
    under = np.sum(foreground * mean(x, y).ravel()) / foreground.sum()
    fitted = np.sum(profile * mean(x, y).ravel()) / profile.sum()
    return f, under, fitted


def slope(x, y):
    return 5.0 + 0.4 * x - 0.3 * y + 0.0 * x * y


def exponential(x, y):
    return 5.0 * np.exp(0.08 * x - 0.06 * y)


def ring(x, y):
    return 2.0 * (1.0 + 4.0 * np.exp(-0.5 * ((y - 1.0) / 2.5) ** 2)) + 0.0 * x


def surface(f, constant, n_terms, **more):
    given = {"where_significant": False, "tuning_constants": np.array([1.345])} | more
    return surfaces(
        np.array([0]), f, np.array([constant]), n_terms=n_terms, tolerance=1e-4, max_iter=100,
        **given,
    )  # fmt: skip


@pytest.mark.parametrize(("mean", "n_terms"), [(exponential, PLANE), (ring, RADIAL)])
def test_means_under_the_foreground_have_the_errors_they_say(mean, n_terms):
    z = []
    for seed in range(200):
        f, own, fitted = footprint(mean, seed=seed)
        found = surface(f, 5.0, n_terms)
        sigma = np.sqrt(own / found.n_pixels[0])
        z.append([(found.own[0] - own) / sigma, (found.fitted[0] - fitted) / fitted])
    z, relative = np.array(z).T
    assert abs(z.mean()) < 0.25
    assert 0.85 < z.std() < 1.2
    assert abs(relative.mean()) < 0.01


def test_planes_by_least_squares_have_the_errors_they_say():
    z = []
    for seed in range(200):
        f, own, _ = footprint(slope, seed=seed)
        found = planes(np.array([0]), f, Rejection(NULL, 0, 0), min_pixels=10)
        z.append((found.own[0] - own) / np.sqrt(own / found.n_pixels[0]))
    assert abs(np.mean(z)) < 0.2
    assert 0.88 < np.std(z) < 1.15


@pytest.mark.parametrize("rejection", [Rejection(BY_PLANE, 4.0, 4.0), Rejection(NSIGMA, 3.0, 3.0)])
def test_planes_leave_out_bright_pixels(rejection):
    f, own, _ = footprint(slope)
    f.counts[[3, 40, 100]] += 800
    far = planes(np.array([0]), f, Rejection(NULL, 0, 0), min_pixels=10).own[0]
    near = planes(np.array([0]), f, rejection, min_pixels=10).own[0]
    assert abs(near - own) < 0.3 < 0.5 * abs(far - own)


def test_a_few_bright_pixels_hardly_move_the_regression():
    f, own, _ = footprint(ring)
    f.counts[[3, 40, 100]] += 800
    assert abs(surface(f, 5.0, RADIAL).own[0] - own) < 0.4
    moved = surface(f, 5.0, RADIAL, tuning_constants=np.array([np.inf])).own[0]
    assert abs(moved - own) > 0.8


def test_only_backgrounds_that_are_not_constant_are_fitted():
    flat = [footprint(lambda x, y: 5.0 + 0.0 * x * y, seed=s)[0] for s in range(200)]
    fits = [np.isfinite(surface(f, 5.0, RADIAL, where_significant=True).own[0]) for f in flat]
    assert np.mean(fits) < 0.04
    assert np.isfinite(surface(footprint(ring)[0], 6.0, RADIAL, where_significant=True).own[0])


def test_it_is_the_likelihood_without_robustness():
    rng = np.random.default_rng(5)
    x = np.column_stack([np.ones(60), rng.uniform(-1, 1, (60, 2))])
    n = rng.integers(1, 7, 60).astype(float)
    c = rng.poisson(n * np.exp(x @ [1.0, 0.5, -0.8])).astype(float)
    found = robust_log_linear(x, n, c, 2.0, np.inf, 1e-9, 100)

    def cost(beta):
        return np.sum(n * np.exp(x @ beta) - c * (x @ beta)) + np.sum(beta[1:] ** 2) / 18.0

    best = minimize(cost, np.zeros(3), tol=1e-12)
    np.testing.assert_allclose(found, best.x, atol=1e-5)


@pytest.mark.parametrize("level", [1.0, 1e2, 1e3, 1e4, 1e5])
@pytest.mark.parametrize("slope", [-1.2, 0.4, 2.0])
def test_steep_backgrounds_of_any_strength_are_followed(level, slope):
    rng = np.random.default_rng(7)
    x = np.column_stack([np.ones(200), np.linspace(-1.0, 1.0, 200)])
    c = rng.poisson(level * np.exp(x[:, 1] * slope)).astype(float)
    found = robust_log_linear(x, np.ones(200), c, c.mean(), 1.345, 1e-3, 100)
    error = 5.0 * np.sqrt(1.0 / c.sum()) + 0.01
    np.testing.assert_allclose(found, [np.log(level), slope], atol=3.0 * error)


@given(st.lists(st.integers(0, 3), min_size=30, max_size=60), st.floats(0.5, 2.0))
def test_few_counts_give_finite_backgrounds(counts, tuning):
    c = np.array(counts, float)
    place = np.linspace(-1.0, 1.0, len(c))
    x = np.column_stack([np.ones_like(c), place, 0 * c, place**2, place**3, place**4])
    found = robust_log_linear(
        x, np.full(len(c), 4.0), c, max(c.mean() / 4, 0.05), tuning, 1e-3, 100
    )
    assert np.isfinite(found).all()
    assert (np.exp(x @ found) < 20.0).all()
