"""The background of noisy photons is their mean, whatever the noise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dxdask.integration.background import robust_poisson_mean
from dxdask.integration.noisy_background import noise_below_zero

pytestmark = pytest.mark.jit

N = 100_000
C, TOLERANCE, MAX_ITER = 1.345, 1e-3, 100


def mean_of(values: np.ndarray) -> float:
    found, counts = np.unique(values, return_counts=True)
    return float(robust_poisson_mean(found, counts.astype(np.int64), C, TOLERANCE, MAX_ITER))


@pytest.mark.parametrize("noise", [0.1, 0.4, 1.0, 5.0])
@pytest.mark.parametrize("photons", [0.0, 0.05, 0.3, 1.0, 8.0, 100.0])
def test_the_mean_has_no_bias(photons: float, noise: float) -> None:
    rng = np.random.default_rng(5)
    values = rng.poisson(photons, N) + noise * rng.standard_normal(N)
    width = math.sqrt(photons + noise**2)
    # five standard deviations of the mean, and the precision of the iteration
    assert mean_of(values) == pytest.approx(photons, abs=5.5 * width / math.sqrt(N))


@pytest.mark.parametrize("noise", [0.3, 2.0])
def test_bright_outliers_are_weighted_down(noise: float) -> None:
    rng = np.random.default_rng(6)
    values = rng.poisson(0.5, N) + noise * rng.standard_normal(N)
    values[: N // 100] += 500.0
    width = math.sqrt(0.5 + noise**2)
    assert mean_of(values) == pytest.approx(0.5, abs=0.025 * width)


def test_a_mean_below_zero() -> None:
    """A pedestal that is too high by half a count."""
    values = np.random.default_rng(7).normal(-0.5, 0.8, N)
    assert mean_of(values) == pytest.approx(-0.5, abs=0.02)


def test_noise_of_integers() -> None:
    """Noise rounded to whole counts, as detectors record it."""
    rng = np.random.default_rng(8)
    values = rng.poisson(2.0, N) + np.rint(1.5 * rng.standard_normal(N))
    assert mean_of(values) == pytest.approx(2.0, abs=0.03)


@pytest.mark.parametrize("photons", [0.0, 0.4, 6.0])
@pytest.mark.parametrize("noise", [0.2, 1.0, 7.0])
def test_the_noise_explains_what_is_below_zero(photons: float, noise: float) -> None:
    rng = np.random.default_rng(9)
    values = rng.poisson(photons, 10 * N) + noise * rng.standard_normal(10 * N)
    below = np.minimum(values, 0.0)
    if np.count_nonzero(below) > 1000:
        found = noise_below_zero(float(np.mean(below**2)), photons)
        assert found == pytest.approx(noise, rel=0.05)
