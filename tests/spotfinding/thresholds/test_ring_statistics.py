"""Medians and quartiles of rings: those of NumPy, whatever the values, kind and sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxdask.spotfinding.thresholds.ring_statistics import ring_statistics, workspace_of


def statistics(values: Any, good: Any, ring: Any, sample: Any, n_bins: int) -> Any:
    median, iqr = np.full(n_bins, np.nan), np.full(n_bins, np.nan)
    workspace = workspace_of(n_bins)
    for array in workspace:
        array[:] = -7  # what the image before left
    ring_statistics(values, good, ring, sample, workspace, median, iqr)
    return median, iqr


def expected(values: Any, good: Any, ring: Any, n_bins: int) -> Any:
    out = np.zeros((2, n_bins))
    for r in range(n_bins):
        here = values[good & (ring == r)].astype(np.float64)
        if here.size:
            out[0, r] = np.median(here)
            first, third = np.percentile(here, [25, 75])
            out[1, r] = third - first
    return out


@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["u1", "u2", "i4", "u4", "f4", "f8"]),
    spread=st.sampled_from([0.2, 3.0, 60.0, 1e4]),
    good_fraction=st.sampled_from([0.0, 0.02, 0.7, 1.0]),
    n_bins=st.sampled_from([2, 5, 60]),
    sampled=st.sampled_from([0, 1, 9]),
)
def test_they_are_those_of_numpy(
    seed: int, kind: str, spread: float, good_fraction: float, n_bins: int, sampled: int
) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 30, 2))
    values = rng.exponential(spread, shape)
    values[rng.random(shape) < 0.05] *= 1000
    values = np.minimum(values, np.iinfo(kind).max if kind[0] in "iu" else np.inf).astype(kind)
    if kind[0] in "if":
        values -= values.dtype.type(spread / 2)
    good = rng.random(shape) < good_fraction
    ring = rng.integers(0, n_bins, shape).astype(np.uint16)
    sample = np.full((n_bins, max(sampled, 1)), -1, np.int32)
    for r in range(n_bins):
        some = np.flatnonzero(ring == r)[:sampled]
        sample[r, : some.size] = some
    median, iqr = statistics(values, good, ring, sample, n_bins)
    medians, iqrs = expected(values, good, ring, n_bins)
    np.testing.assert_array_equal(median, medians)
    np.testing.assert_allclose(iqr, iqrs, rtol=1e-12, atol=1e-12 * max(spread, 1.0) * 1000)


@pytest.mark.parametrize("kind", ["i4", "f8"])
def test_a_sample_that_misleads_costs_time_only(kind: str) -> None:
    values = np.arange(4000, dtype=kind).reshape(40, 100) * 1000
    values[0, :8] = 3
    ring = np.zeros(values.shape, np.uint16)
    sample = np.arange(8, dtype=np.int32)[None]  # sees nothing but threes
    median, iqr = statistics(values, np.ones(values.shape, np.bool_), ring, sample, 1)
    medians, iqrs = expected(values, np.ones(values.shape, np.bool_), ring, 1)
    assert (median[0], iqr[0]) == (medians[0], iqrs[0])


def test_a_ring_without_good_pixels_is_nought() -> None:
    values, good = np.full((3, 4), 9, np.uint16), np.zeros((3, 4), np.bool_)
    median, iqr = statistics(
        values, good, np.zeros((3, 4), np.uint16), np.array([[0, 1, -1]], np.int32), 1
    )
    assert median[0] == 0.0
    assert iqr[0] == 0.0
