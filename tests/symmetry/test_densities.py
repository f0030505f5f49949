"""Densities of normalised intensities with errors."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import scipy

from dxdask.symmetry.densities import OUTLIERS, log_acentric, log_centric, log_densities

POINTS = [(x, s) for s in (0.02, 0.3, 2.0) for x in (-4.0 * s, 0.0, 0.1, 0.17, 2.0, 9.0)]


@pytest.mark.parametrize(("x", "s"), POINTS)
def test_centric_density_is_the_convolution(x: float, s: float) -> None:
    def integrand(t: float) -> float:
        normal = np.exp(-0.5 * ((x - t * t) / s) ** 2) / (s * np.sqrt(2.0 * np.pi))
        return float(2.0 * np.exp(-0.5 * t * t) / np.sqrt(2.0 * np.pi) * normal)

    edges = np.sqrt(np.clip([x - 9.0 * s, x, x + 9.0 * s], 0.0, None))
    parts = [
        scipy.integrate.quad(integrand, low, high, epsabs=0.0, epsrel=1e-9, limit=200)[0]
        for low, high in pairwise(edges)
        if high > low
    ]
    found = float(log_centric(np.array([x]), np.array([s]))[0])
    assert found == pytest.approx(np.log(sum(parts)), abs=2e-5)


@pytest.mark.parametrize(("x", "s"), POINTS)
def test_acentric_density_is_the_convolution(x: float, s: float) -> None:
    def integrand(j: float) -> float:
        return float(np.exp(-j - 0.5 * ((x - j) / s) ** 2) / (s * np.sqrt(2.0 * np.pi)))

    low, high = max(0.0, x - 9.0 * s), max(x + 9.0 * s, 6.0 * s)
    expected = scipy.integrate.quad(integrand, low, high, epsabs=0.0, epsrel=1e-9, limit=200)[0]
    found = float(log_acentric(np.array([x]), np.array([s]))[0])
    assert found == pytest.approx(np.log(expected), abs=1e-5)


def test_densities_are_smooth_where_the_series_begin() -> None:
    s = np.full(2001, 0.1)
    for h in (-8.0, 8.0):
        x = 0.1 * (np.linspace(h - 0.01, h + 0.01, 2001) + 0.05)
        assert np.abs(np.diff(log_centric(x, s), 2)).max() < 3e-5


def test_a_weak_reflection_is_rather_present_where_it_is_centric() -> None:
    x, sigma = np.array([0.05, 0.05]), np.full(2, 0.01)
    present, absent = log_densities(x, sigma, np.array([True, False]), 0.02)
    assert (absent - present)[0] < (absent - present)[1]
    present, absent = log_densities(np.array([50.0]), np.array([0.01]), np.array([True]), 0.0)
    assert (absent - present)[0] == pytest.approx(np.log(OUTLIERS))
