"""Means over the regions of a detector."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.painted_frames import experiment

from dxdask.integration.regions import DetectorPositions, region_means

DETECTOR = experiment(panels=2).detector  # of 300 x 140 px each


def scattered(n, seed=0):
    rng = np.random.default_rng(seed)
    panel = rng.integers(0, 2, n).astype(np.int32)
    return DetectorPositions(DETECTOR, panel, rng.uniform(0, 300, n), rng.uniform(0, 140, n)), rng


def means(places, value, *, spread=1.0, clip=5.0, weight=100.0, first=0.0):
    n = len(value)
    return region_means(
        places,
        first=first,
        value=value,
        unit=np.ones(n),
        weight=np.full(n, weight),
        clip=np.full(n, clip),
        spread=spread,
    )


def test_a_smooth_shift_and_a_step_between_panels_are_followed():
    places, rng = scattered(20000)
    true = np.where(places.panel == 1, -0.5, 0.5) + 0.002 * places.x
    found = means(places, true + rng.normal(0, 0.1, len(true)))
    off = found.at(places.panel, places.x, places.y) - true
    # regions are 75 px wide: within them the slope is left
    assert np.abs(off).max() < 0.002 * 75 / 2 + 0.05
    assert abs(off.mean()) < 0.005


def test_where_there_is_nothing_the_mean_is_that_around():
    places, rng = scattered(2000)
    left = places.x < 150
    half = DetectorPositions(DETECTOR, places.panel[left], places.x[left], places.y[left])
    found = means(half, 0.7 + rng.normal(0, 0.1, left.sum()))
    right = found.at(places.panel[~left], places.x[~left], places.y[~left])
    np.testing.assert_allclose(right, 0.7, atol=0.05)


def test_few_values_move_the_mean_little():
    places, _ = scattered(1)
    found = means(places, np.ones(1), spread=0.1, weight=1.0)
    assert found.values.max() < 0.05
    assert means(
        DetectorPositions(DETECTOR, *(v[:0] for v in places[1:])), np.zeros(0), first=0.3
    ).values == (pytest.approx(0.3))


def test_outliers_move_it_no_more_than_the_clip():
    places, rng = scattered(5000)
    value = rng.normal(0, 0.1, 5000)
    value[::50] += 1000.0
    assert np.abs(means(places, value, clip=0.5).values).max() < 0.1


def test_ratios_are_not_biased_by_errors_of_the_unit():
    """The sums of value and m unit agree, however noisy single units are."""
    places, rng = scattered(40000)
    true = rng.exponential(1.0, 40000)
    value, unit = 1.2 * true + rng.normal(0, 3, 40000), true + rng.normal(0, 3, 40000)
    found = region_means(
        places,
        first=1.0,
        value=value,
        unit=unit,
        weight=np.full(40000, 1.0),
        clip=np.full(40000, 30.0),
        spread=0.2,
    )
    m = found.at(places.panel, places.x, places.y)
    np.testing.assert_allclose(value.sum() / (m * unit).sum(), 1.0, atol=0.01)
    np.testing.assert_allclose(np.median(m), 1.2, atol=0.05)


@given(st.integers(0, 400), st.integers(0, 5))
def test_means_lie_between_the_first_and_the_values(n, seed):
    places, rng = scattered(n, seed)
    value = rng.uniform(-1, 1, n)
    found = means(places, value).values
    assert found.min() >= min([0.0, *value]) - 1e-12
    assert found.max() <= max([0.0, *value]) + 1e-12
