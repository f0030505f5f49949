"""Outliers among residuals."""

import numpy as np
import pytest

from dxdask.refinement.still_outliers import rayleigh_inliers


def test_of_a_rayleigh_distribution_one_in_twenty_is_out():
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1], 20_000)
    lengths = rng.rayleigh(1.0, 40_000) * np.where(group == 0, 1.0, 7.0)
    inside = rayleigh_inliers(lengths, group, 2)
    assert inside[group == 0].mean() == pytest.approx(0.95, abs=0.01)
    assert inside[group == 1].mean() == pytest.approx(0.95, abs=0.01)


def test_a_few_far_ones_do_not_move_the_limit():
    rng = np.random.default_rng(1)
    lengths = np.concatenate([rng.rayleigh(1.0, 900), rng.uniform(10.0, 50.0, 100)])
    inside = rayleigh_inliers(lengths, np.zeros(1000, np.int64), 1)
    assert not inside[900:].any()
    assert inside[:900].mean() > 0.93


def test_small_and_empty_groups():
    assert rayleigh_inliers(np.empty(0), np.empty(0, np.int64), 3).size == 0
    assert rayleigh_inliers(np.array([2.0]), np.array([1]), 3).tolist() == [True]
