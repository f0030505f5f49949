"""The robust Poisson mean against counts of a known mean, and a plain twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import poisson

from dxdask.integration.background import backgrounds, robust_poisson_mean

C = 1.345


def fit(counts, tolerance=1e-10):
    values, n = np.unique(np.asarray(counts), return_counts=True)
    return robust_poisson_mean(values.astype(np.int32), n.astype(np.int64), C, tolerance, 100)


def plain(counts):
    """Solve the equation by bisection, expectations summed over all counts."""

    def equation(mean):
        r = np.clip((np.asarray(counts) - mean) / np.sqrt(mean), -C, C)
        y = np.arange(int(mean + 20 * np.sqrt(mean) + 30))
        psi = np.clip((y - mean) / np.sqrt(mean), -C, C)
        return r.mean() - (psi * poisson.pmf(y, mean)).sum()

    return brentq(equation, 1e-4, max(counts) + 1.0, xtol=1e-12)


@pytest.mark.parametrize("mean", [0.02, 0.3, 1.0, 4.7, 60.0, 3000.0])
def test_it_is_consistent_for_poisson_counts(mean):
    counts = np.random.default_rng(3).poisson(mean, 200_000)
    np.testing.assert_allclose(fit(counts), mean, atol=5 * np.sqrt(mean / 200_000))


@pytest.mark.parametrize("mean", [0.3, 5.0, 200.0])
def test_a_few_outliers_hardly_move_it(mean):
    counts = np.random.default_rng(4).poisson(mean, 1000)
    counts[:20] = 40 * mean + 100
    assert counts.mean() > 1.5 * mean
    np.testing.assert_allclose(
        fit(counts), mean, atol=5 * np.sqrt(mean / 1000) + 0.1 * np.sqrt(mean)
    )


@given(
    st.lists(st.integers(0, 60), min_size=10, max_size=80).filter(
        lambda c: sum(x > 0 for x in c) > 2
    )
)
def test_it_solves_the_equation_of_its_plain_twin(counts):
    ours = fit(counts)
    try:
        theirs = plain(counts)
    except ValueError:  # the twin's bracket has no sign change
        return
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-8)


@given(st.lists(st.integers(0, 30), min_size=10, max_size=60))
def test_it_lies_within_the_counts(counts):
    assert 0.0 <= fit(counts, tolerance=1e-3) <= max(counts) + 1.0


def test_nothing_but_zeros_is_a_background_of_zero():
    assert fit(np.zeros(50, dtype=int)) == 0.0


def test_too_few_pixels_give_none():
    values, counts = np.array([1, 3], dtype=np.int32), np.array([4, 5], dtype=np.int64)
    offsets = np.array([0, 2, 2])
    fit = {"tuning_constant": C, "tolerance": 1e-3, "max_iter": 100}
    none = backgrounds(np.array([0, 1]), offsets, values, counts, min_pixels=10, **fit)
    assert np.isnan(none).all()
    some = backgrounds(np.array([0]), offsets, values, counts, min_pixels=9, **fit)
    assert 1 < some[0] < 3
    assert np.isnan(some[1])
