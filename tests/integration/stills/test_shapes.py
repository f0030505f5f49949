"""Spots cut by edges, and shadows whatever way they end."""

from __future__ import annotations

import numpy as np
import pytest

from dxdask.integration.stills.shadows import shadowed
from dxdask.integration.stills.shapes import OFF_PLACE, beyond_edges
from dxdask.integration.stills.summation import _darkest_half


def test_the_part_beyond_an_edge_is_that_of_drawn_photons() -> None:
    rng = np.random.default_rng(0)
    x, y = np.array([2.0, 0.5, 50.0, 99.5]), np.array([40.0, 1.0, 40.0, 79.0])
    covariance = np.tile([0.8, 0.0, 0.5], (4, 1))
    size = np.tile([100, 80], (4, 1))
    drawn = rng.normal(0.0, 1.0, (200_000, 2)) * np.sqrt([0.8 + OFF_PLACE**2, 0.5 + OFF_PLACE**2])
    for found, at_x, at_y in zip(beyond_edges(x, y, covariance, size), x, y, strict=True):
        place = drawn + [at_x, at_y]
        inside = ((place >= 0) & (place < [100, 80])).all(axis=1)
        assert found == pytest.approx(1 - inside.mean(), abs=3e-3)


@pytest.mark.parametrize("degree", range(0, 360, 45))
def test_the_darkest_half_is_found_in_any_direction(degree: int) -> None:
    y, x = (
        np.mgrid[-7:8, -7:8] + np.array([0.25, 0.35])[:, None, None]
    )  # none on a border between halves
    angle = np.radians(degree)
    dark = x * np.cos(angle) + y * np.sin(angle) > 0
    ring = np.stack([x.ravel(), y.ravel(), np.where(dark, 0.0, 3.0).ravel()], axis=1)
    counts, number = _darkest_half(ring, len(ring))
    assert counts == 0
    assert number == dark.sum()


def test_weak_background_all_around_tells_a_narrow_shadow() -> None:
    rng = np.random.default_rng(0)
    n, n_around = 20000, np.full(20000, 160)
    expected = np.full(n, 0.4)
    in_it = np.arange(n) < 2000
    counts = rng.poisson(np.where(in_it, 0.2, 1.0) * expected * n_around)
    half = counts / 2  # no side is darker than the other
    found = shadowed(
        half, n_around // 2, 2 * expected, counts / n_around, n_around, expected, fraction=0.5
    )
    assert found[in_it].mean() > 0.99
    assert found[~in_it].mean() < 1e-3
    without = shadowed(
        half, n_around // 2, 2 * expected, expected, n_around, expected, fraction=0.5
    )
    assert without[in_it].mean() < 0.9
