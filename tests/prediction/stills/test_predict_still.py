"""Predictions of stills against lattice points and wavelengths drawn at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from support.made_up_stills import CELL, panels

from dxdask.models import Beam, Detector
from dxdask.models.crystal import b_matrix
from dxdask.models.rotations import rotation_matrices
from dxdask.prediction.stills import predict_still
from dxdask.prediction.stills.models import RunOfStills, run_of_stills
from dxdask.prediction.stills.spread import Spread, profile, spread_of

WAVELENGTH = 1.31
A_MATRIX = rotation_matrices(np.array([[0.3, -1.1, 0.7]]))[0] @ b_matrix(CELL)
ROUND = Spread(4e-4, 1e-9, 1e-9)
TILTED = Spread(1e-6, 2e-3, 1e-9)
COLOURED = Spread(1e-4, 1e-9, 2e-3)
MIXED = Spread(3e-4, 8e-4, 6e-4)


def _setup(d_min: float = 2.5, **beam: object) -> RunOfStills:
    return run_of_stills(panels(), replace(Beam(wavelength=1.3), **beam), "P 43 21 2", d_min=d_min)  # type: ignore[arg-type]


def _drawn(
    q: NDArray[np.float64], spread: Spread, detector: Detector, panel: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return excitation errors of blocks and wavelengths drawn, and pixels of their rays."""
    rng = np.random.default_rng(seed)
    n = 400_000
    tilts = rng.normal(0, spread.mosaic, (n, 3))
    points = q + np.cross(tilts, q) + rng.normal(0, spread.size, (n, 3))
    wave = (1 + rng.normal(0, spread.band, n)) / WAVELENGTH
    rays = points + np.stack([0 * wave, 0 * wave, -wave], axis=1)
    return np.linalg.norm(rays, axis=1) - wave, detector.panels[panel].ray_intersection(rays) / 0.1


@pytest.mark.parametrize("spread", [ROUND, TILTED, COLOURED, MIXED])
def test_spots_lie_where_blocks_and_wavelengths_drawn_at_random_meet_the_sphere(
    spread: Spread,
) -> None:
    found = predict_still(A_MATRIX, WAVELENGTH, _setup(), spread, n_sigma=1.5)
    far = np.argsort(-np.abs(found.excitation_error) - 1e-3 / found.d)[:3]
    for i in far.tolist():
        q = A_MATRIX @ found.hkl[i]
        eps, xy = _drawn(q, spread, panels(), found.panel[i], i)
        assert eps.std() == pytest.approx(found.sigma[i], rel=0.01)
        assert eps.mean() == pytest.approx(found.excitation_error[i], abs=0.01 * found.sigma[i])
        seen = np.abs(eps) < 0.04 * found.sigma[i]
        np.testing.assert_allclose(
            xy[seen].mean(axis=0), [found.x[i], found.y[i]], atol=0.03, err_msg=str(found.hkl[i])
        )
        (xx, xy_), (_, yy) = np.cov(xy[seen].T)
        np.testing.assert_allclose([xx, xy_, yy], found.covariance[i], rtol=0.1, atol=0.01)


def test_all_points_near_the_sphere_are_predicted_once_and_in_order() -> None:
    spread = spread_of(600.0, 0.05, 0.002)
    found = predict_still(A_MATRIX, WAVELENGTH, _setup(), spread, n_sigma=2.5)
    hkl = np.stack(np.meshgrid(*[np.arange(-m, m + 1) for m in (40, 40, 20)], indexing="ij"), -1)
    hkl = hkl.reshape(-1, 3)
    q = hkl @ A_MATRIX.T
    length = np.linalg.norm(q, axis=1)
    s1 = q + [0, 0, -1 / WAVELENGTH]
    eps = np.linalg.norm(s1, axis=1) - 1 / WAVELENGTH
    cosine = np.sqrt(1 - (length * WAVELENGTH / 2) ** 2)
    sigma = np.sqrt(
        spread.size**2
        + (spread.mosaic * length * cosine) ** 2
        + (spread.band * WAVELENGTH * length**2 / 2) ** 2
    )
    near = (length > 0) & (length < 1 / 2.5) & (np.abs(eps) < 2.5 * sigma)
    hits = np.zeros(len(hkl), np.bool_)
    for panel in panels().panels:
        x, y = panel.mm_to_pixel(panel.ray_intersection(s1)).T
        # what lies at a border may go either way: this is not quite the ray that is predicted
        hits |= (x > 1) & (x < panel.image_size[0] - 1) & (y > 1) & (y < panel.image_size[1] - 1)
    expected = {tuple(h) for h in hkl[near & hits].tolist()}
    got = [tuple(h) for h in found.hkl.tolist()]
    assert got == sorted(set(got))
    assert len(expected - set(got)) <= 0.01 * len(expected)
    assert len(set(got)) <= 1.05 * len(expected)
    np.testing.assert_allclose(
        found.excitation_error,
        np.linalg.norm(found.hkl @ A_MATRIX.T + [0, 0, -1 / WAVELENGTH], axis=1) - 1 / WAVELENGTH,
        atol=1e-15,
    )
    np.testing.assert_allclose(found.d, 1 / np.linalg.norm(found.hkl @ A_MATRIX.T, axis=1))
    np.testing.assert_allclose(np.linalg.norm(found.s1, axis=1), 1 / WAVELENGTH)


def test_resolution_limits_and_centring_leave_reflections_out() -> None:
    beam = Beam(wavelength=1.3)
    whole = predict_still(A_MATRIX, WAVELENGTH, run_of_stills(panels(), beam, "P 1"), ROUND)
    assert 4.0 < whole.d.min() < 4.3  # the corners
    some = run_of_stills(panels(), beam, "I 4", d_min=5.0, d_max=10.0)
    found = predict_still(A_MATRIX, WAVELENGTH, some, ROUND)
    assert 5.0 <= found.d.min() < found.d.max() <= 10.0
    assert np.all(found.hkl.sum(axis=1) % 2 == 0)
    expected = (whole.d >= 5) & (whole.d <= 10) & (whole.hkl.sum(axis=1) % 2 == 0)
    np.testing.assert_array_equal(found.hkl, whole.hkl[expected])


def test_a_wide_crystal_has_more_reflections_than_a_narrow_one() -> None:
    counts = [len(predict_still(A_MATRIX, WAVELENGTH, _setup(), Spread(s, 0.0, 0.0)).d) for s in
              (1e-4, 2e-4, 4e-4)]  # fmt: skip
    assert counts[1] / counts[0] == pytest.approx(2, rel=0.15)
    assert counts[2] / counts[1] == pytest.approx(2, rel=0.15)


def test_partiality_falls_by_half_near_its_half_width() -> None:
    x = np.linspace(0, 8, 801)
    p = profile(x)
    assert p[0] == 1
    assert np.all(np.diff(p) < 0)
    assert x[np.argmin(np.abs(p - 0.5))] == pytest.approx(1.2, abs=0.03)
