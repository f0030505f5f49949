"""Intensities that variances are expected from."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dxdask.scaling.expected import nearest_to_truth

RNG = np.random.default_rng(3)


def weak(n: int = 6000) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return true intensities that fall with resolution, means, information and d."""
    d = np.sort(RNG.uniform(1.2, 4.0, n))
    true = RNG.exponential(np.exp(d))
    sigma = RNG.uniform(3.0, 12.0, n)
    return true, true + sigma * RNG.normal(size=n), sigma**-2.0, d


def test_they_are_nearer_to_the_truth_than_the_means():
    true, mean, information, d = weak()
    found = nearest_to_truth(mean, information, d)
    assert np.mean((found - true) ** 2) < 0.7 * np.mean((mean - true) ** 2)
    for rows in np.array_split(np.arange(len(d)), 6):
        assert abs(found[rows].mean() / true[rows].mean() - 1.0) < 0.2


def test_strong_ones_are_what_was_measured():
    true, _, _, d = weak()
    found = nearest_to_truth(1e4 * true, np.full(len(true), 1.0), d)
    np.testing.assert_allclose(found, 1e4 * true, rtol=1e-4, atol=1.0)


def test_variances_from_them_do_not_follow_the_errors():
    """Sums of counts: with variances from the means themselves, weak ones seem too small."""
    n, background = 20_000, 3.0
    true, d = RNG.exponential(3.0, n), np.full(n, 2.0)
    mean = RNG.poisson(true + background) - background
    own = background + np.maximum(mean, 0.0)
    better = background + nearest_to_truth(mean, 1.0 / own, d)
    z, old = (mean - true) / np.sqrt(better), (mean - true) / np.sqrt(own)
    assert abs(z.mean()) < 0.75 * abs(old.mean())


@given(st.integers(1, 40), st.integers(0, 40))
def test_unseen_ones_have_the_mean_of_their_resolution(n_seen, n_unseen):
    d = np.linspace(1.0, 2.0, n_seen + n_unseen)
    information = np.concatenate([np.ones(n_seen), np.zeros(n_unseen)])
    mean = np.where(information > 0, 5.0, np.nan)
    np.testing.assert_allclose(nearest_to_truth(mean, information, d), 5.0)


def test_nothing_seen_is_zero():
    assert nearest_to_truth(np.zeros(3), np.zeros(3), np.ones(3)).tolist() == [0.0, 0.0, 0.0]
