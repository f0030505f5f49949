"""Statistics of runs, batches of images and bins of observations."""

from __future__ import annotations

from dataclasses import replace

import gemmi
import numpy as np
import pytest
from support.store_examples import experiment

from dxdask.merging.by_run import correlations_in_bins, run_tables
from dxdask.merging.observed import Observed
from dxdask.merging.parameters import ResolutionParameters
from dxdask.merging.statistics import cc_half
from dxdask.models import ExperimentList, Scan
from dxdask.models.symmetry import pack


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


def test_batches_have_the_numbers_of_the_images_of_the_scan() -> None:
    scan = Scan(image_range=(101, 125), oscillation=(0.0, 0.5))
    # the first is a little before the scan, the last behind it
    z = np.array([99.8, 100.5, 109.9, 110.1, 124.9, 125.3])
    n = len(z)
    observed = Observed(
        keys=pack(np.array([[1, 2, 3]], np.int32)),
        centric=np.zeros(1, np.bool_),
        place=np.zeros(n, np.int64),
        minus=np.zeros(n, np.bool_),
        half=np.arange(n) % 2,
        experiment=np.zeros(n, np.int32),
        z=z,
        intensity=np.full(n, 100.0),
        variance=np.full(n, 10.0),
    )
    experiments = ExperimentList.of([replace(experiment(), scan=scan)])
    cell = gemmi.UnitCell(78, 78, 78, 90, 90, 90)
    _, batches = run_tables(observed, experiments, cell, ResolutionParameters())
    found = [(row["first_image"], row["last_image"], row["n_obs"]) for row in batches.rows]
    assert found == [(101, 110, 3), (111, 120, 1), (121, 125, 2)]
