"""Numbers in a page are those that were put in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxdask.report.page.encode import decoded, encoded
from dxdask.report.page.plots import averaged, grid


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=40))
def test_integers_are_exact(values: list[int]) -> None:
    np.testing.assert_array_equal(decoded(encoded(np.array(values, np.int64))), values)


@given(st.lists(st.floats(width=32, allow_nan=True), max_size=40))
def test_floats_are_those_of_32_bits(values: list[float]) -> None:
    np.testing.assert_array_equal(decoded(encoded(np.array(values, np.float64))), values)


@pytest.mark.parametrize(("most", "kind"), [(200, "u1"), (-5, "i2"), (60000, "u2"), (10**6, "i4")])
def test_the_smallest_integers_are_used(most: int, kind: str) -> None:
    assert encoded(np.array([0, 3, most]))["t"] == kind


def test_numbers_of_images_take_no_place() -> None:
    packed = encoded(np.arange(1, 100_001))
    assert len(packed["b"]) < 30
    assert decoded(packed)[-1] == 100_000


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.integers(1, 50))
def test_long_curves_keep_their_mean(values: list[float], most: int) -> None:
    x, y = averaged(np.arange(len(values)), np.array(values), most)
    assert len(x) == len(y) <= max(most, 1)
    if len(values) % len(y) == 0:
        assert y.mean() == pytest.approx(np.mean(values), abs=1e-6)


def test_a_grid_counts_every_point_inside() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 5000))
    found = grid("t", x, y, ("x", "y"), x_range=(-1, 1), y_range=(-2, 2), n_bins=(7, 5))
    expected, _, _ = np.histogram2d(y, x, (5, 7), ((-2, 2), (-1, 1)))
    np.testing.assert_array_equal(found.counts, expected)
