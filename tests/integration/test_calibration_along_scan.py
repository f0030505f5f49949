"""Calibration of fitted intensities along the scan, of intensities with a known factor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.painted_frames import experiment

from dxdask.columns import Flag
from dxdask.integration.calibration import calibrate
from dxdask.models import Scan

N_IMAGES = 60


def run():
    scan = Scan(image_range=(11, 10 + N_IMAGES), oscillation=(0.0, 0.5))
    return replace(experiment(), scan=scan)


def reflections(factor, *, n: int = 6000, mean: float = 800.0, seed: int = 1):
    """Return sums with Poisson errors and fits that are sums over a factor of the image."""
    rng = np.random.default_rng(seed)
    z, background, pixels = rng.uniform(0.0, N_IMAGES, n), 1.0, 60
    true = rng.exponential(mean, n)
    summed = rng.poisson(true + background * pixels) - background * pixels
    # a fit has a part of the errors of the counts
    fitted = (true + 0.7 * (summed - true)) / factor(z)
    return {
        "panel": np.zeros(n, dtype=np.int32),
        "x_cal": rng.uniform(0.0, 300.0, n),
        "y_cal": rng.uniform(0.0, 280.0, n),
        "z_cal": z + 10.0,
        "d": rng.uniform(1.5, 10.0, n),
        "flags": np.full(n, Flag.INTEGRATED_SUM | Flag.INTEGRATED_PRF, dtype=np.uint32),
        "partiality": np.ones(n),
        "intensity_sum": summed,
        "intensity_sum_variance": np.maximum(summed, 0.0) + background * pixels,
        "intensity_prf": fitted,
        "n_foreground": np.full(n, pixels, dtype=np.int32),
        "n_background": np.full(n, 400, dtype=np.int32),
        "background_mean": np.full(n, background),
        "profile_weights": np.tile([30.0, 20.0, 1.2], (n, 1)),
    }, z


def constant(z):
    return np.ones(len(z))


def rising(z):
    return 0.85 + 0.3 * z / N_IMAGES


def waving(z):
    return 1.0 + 0.1 * np.sin(2.0 * np.pi * z / N_IMAGES)


@pytest.mark.parametrize("factor", [constant, rising, waving])
def test_the_factor_of_each_image_is_found(factor):
    r, z = reflections(factor)
    off = calibrate(r, run()).factor / factor(z) - 1.0
    inside = (z > 3.0) & (z < N_IMAGES - 3.0)
    assert abs(off.mean()) < 0.005
    # regions of the detector vary by their errors, too
    assert np.std(off[inside]) < 0.012
    by_image = [off[np.floor(z / 6.0) == k].mean() for k in range(10)]
    assert np.abs(by_image).max() < (0.006 if factor is constant else 0.02)


def test_what_is_left_is_not_the_error_of_profiles():
    assert calibrate(reflections(rising)[0], run()).error < 0.01


def test_a_few_strong_reflections_leave_the_scan_as_one():
    r, z = reflections(rising, n=300)
    factor = calibrate(r, run()).factor
    first, last = factor[z < 20.0].mean(), factor[z > 40.0].mean()
    assert abs(last / first - 1.0) < 0.05


def test_the_order_of_reflections_does_not_matter():
    r, _ = reflections(waving, n=2000)
    order = np.random.default_rng(3).permutation(2000)
    moved = calibrate({k: v[order] for k, v in r.items()}, run())
    given = calibrate(r, run())
    np.testing.assert_allclose(moved.factor, given.factor[order], rtol=1e-10)


def test_a_bright_neighbour_hardly_moves_it():
    r, z = reflections(rising)
    r["intensity_sum"][::100] += 2000.0
    off = calibrate(r, run()).factor / rising(z) - 1.0
    assert abs(off.mean()) < 0.015
