"""Widths of reflections by intensities, shifts of panels by spots, planes of background."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.painted_stills import painted

from dxdask.arrays import Floats
from dxdask.integration.stills.background import background
from dxdask.integration.stills.panel_shifts import panel_shifts
from dxdask.integration.stills.width import width_factor
from dxdask.prediction.stills.spread import profile


def _still(width: float, seed: int, n: int = 300) -> tuple[Floats, Floats, Floats, Floats]:
    """Return intensities, variances, excitation errors and spacings of one still."""
    rng = np.random.default_rng(seed)
    x, d = rng.uniform(-3, 3, n), rng.uniform(0.03, 0.4, n) ** -1
    full = 2000 * np.exp(-20 * 0.5 / d**2) * rng.exponential(1.0, n)
    variance = np.full(n, 60.0)
    return full * profile(x / width) + rng.normal(0, variance**0.5), variance, x, d


@pytest.mark.parametrize("width", [0.6, 1.0, 1.6])
def test_the_width_of_a_still_shows_in_its_intensities(width: float) -> None:
    found = np.array([width_factor(*_still(width, seed)) for seed in range(40)])
    assert np.median(found) == pytest.approx(width, rel=0.05)
    assert np.all(np.abs(np.log(found / width)) < 0.5)


def test_one_strong_outlier_changes_little() -> None:
    intensity, variance, x, d = _still(1.0, 3)
    plain = width_factor(intensity, variance, x, d)
    intensity[np.argmax(np.abs(x))] = 1e6
    assert width_factor(intensity, variance, x, d) == pytest.approx(plain, rel=0.25)


@pytest.mark.parametrize("n", [0, 3, 9])
def test_few_reflections_or_no_intensity_tell_nothing(n: int) -> None:
    intensity, variance, x, d = _still(2.0, 1)
    assert width_factor(intensity[:n], variance[:n], x[:n], d[:n]) == 1.0
    assert width_factor(-np.abs(intensity), variance, x, d) == 1.0


@given(st.floats(1e-2, 1e3))
def test_units_of_the_intensity_do_not_matter(unit: float) -> None:
    intensity, variance, x, d = _still(1.3, 2)
    plain = width_factor(intensity, variance, x, d)
    assert width_factor(unit * intensity, unit**2 * variance, x, d) == pytest.approx(
        plain, rel=1e-3
    )


def test_panels_are_followed_as_far_as_their_spots_tell() -> None:
    found = painted(0).found
    rng = np.random.default_rng(0)
    shift = np.where(found.panel[:, None] == 1, (1.5, -0.5), (0.0, 0.2))
    xy = np.stack([found.x, found.y], axis=1) + shift + rng.normal(0, 0.1, (len(found.x), 2))
    hkl = found.hkl.copy()
    hkl[0] = (99, 99, 99)  # a spot that is not predicted
    xy[1] += 40.0
    shifts = panel_shifts(found, hkl, found.panel, xy, 5)
    assert (found.panel == 1).sum() > 5
    np.testing.assert_allclose(shifts[1], (1.5, -0.5), atol=0.12)
    np.testing.assert_allclose(shifts[[0, 2, 3]], [(0.0, 0.2)] * 3, atol=0.12)
    np.testing.assert_array_equal(shifts[4], 0)
    one = panel_shifts(found, hkl[5:6], found.panel[5:6], xy[5:6] + 1.0, 5)
    off = xy[5] + 1.0 - (found.x[5], found.y[5])
    assert np.all(np.abs(one[found.panel[5]]) < np.abs(off))
    np.testing.assert_array_equal(panel_shifts(found, hkl[:0], found.panel[:0], xy[:0], 5), 0)


def _ring(level: Floats) -> Floats:
    y, x = np.mgrid[-8:9, -8:9]
    far = np.hypot(x, y)
    on = (far > 4) & (far < 8)
    return np.stack([x[on] + 0.3, y[on] - 0.2, level[on]], axis=1).astype(np.float64)


def test_a_plane_is_found_to_rounding_and_bright_pixels_are_left_out() -> None:
    y, x = np.mgrid[-8:9, -8:9]
    ring, fit = _ring(40 + 1.5 * (x + 0.3) - 0.7 * (y - 0.2)), np.empty(3)
    kept, variance = background(ring, len(ring), 4.0, fit)
    np.testing.assert_allclose(fit, (40, 1.5, -0.7), rtol=1e-9)
    assert kept == len(ring)
    assert variance == pytest.approx(1 / kept)
    ring[::10, 2] += 500
    kept, _ = background(ring, len(ring), 4.0, fit)
    assert kept == len(ring) - len(ring[::10])
    np.testing.assert_allclose(fit, (40, 1.5, -0.7), rtol=1e-9)


def test_the_variance_is_that_of_poisson_counts_and_of_more_where_there_is_more() -> None:
    rng = np.random.default_rng(0)
    for noise in (0.0, 2.0):
        found = []
        for _ in range(300):
            counts = rng.poisson(2.0, (17, 17)) + rng.normal(0, max(noise, 1e-9), (17, 17))
            ring, fit = _ring(counts), np.empty(3)
            found.append((*background(ring, len(ring), 4.0, fit), fit[0]))
        _, variance, mean = np.mean(found, axis=0)
        assert mean == pytest.approx(2.0, abs=0.03)
        assert variance == pytest.approx(2.0 + noise**2, rel=0.03)


def test_too_few_pixels_give_no_background() -> None:
    ring, fit = _ring(np.ones((17, 17)))[:9], np.empty(3)
    assert background(ring, 9, 4.0, fit) == (9, 0.0)
    assert background(ring, 0, 4.0, fit)[0] == 0
