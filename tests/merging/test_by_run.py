"""Statistics of bins of observations."""

from __future__ import annotations

import numpy as np
import pytest

from dxdask.merging.by_run import correlations_in_bins
from dxdask.merging.statistics import cc_half


def test_correlations_in_bins_are_those_of_each_bin() -> None:
    rng = np.random.default_rng(5)
    x = 1e4 + rng.normal(size=40)
    y = x + rng.normal(size=40)
    y[[0, 7, 30, 31, 32]] = np.nan
    starts = np.array([0, 5, 20, 30, 34, 36])
    found = correlations_in_bins(x, y, starts)
    for value, first, last in zip(found, starts, [*starts[1:], 40], strict=True):
        known = np.isfinite(y[first:last])
        expected = cc_half(x[first:last][known], y[first:last][known])
        if expected is None:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(expected, rel=1e-9)
    assert np.isnan(found[3]), "one known value"
    assert np.isnan(found[4]), "two values"


def test_correlation_of_equal_values_is_not_defined() -> None:
    y = np.array([1.0, 2.0, 3.0, 4.0])
    assert np.isnan(correlations_in_bins(np.full(4, 2.0), y, np.array([0]))).all()
