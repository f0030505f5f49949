"""Rays of stills: geometry that must hold, and derivatives against differences."""

from __future__ import annotations

import numpy as np

from dxdask.stills.rays import derivatives, still_rays

BEAM = np.array([0.0, 0.0, -1.0])


def _points(n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.normal(0, 0.2, (n, 3)), 1.3 * (1 + rng.normal(0, 0.01, n))


def test_rays_lie_on_the_sphere_and_keep_the_length_of_q() -> None:
    q, wavelength = _points()
    rays = still_rays(q, BEAM, wavelength)
    np.testing.assert_allclose(np.linalg.norm(rays.s1, axis=1), 1 / wavelength)
    turned = rays.s1 - BEAM / wavelength[:, None]
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), np.linalg.norm(q, axis=1))


def test_delta_psi_is_the_angle_from_the_point_to_the_sphere() -> None:
    q, wavelength = _points()
    rays = still_rays(q, BEAM, wavelength)
    turned = rays.s1 - BEAM / wavelength[:, None]
    cosine = (turned * q).sum(axis=1) / (q * q).sum(axis=1)
    np.testing.assert_allclose(np.cos(rays.delta_psi), cosine, atol=1e-12)
    outside = np.linalg.norm(q + BEAM / wavelength[:, None], axis=1) > 1 / wavelength
    np.testing.assert_array_equal(rays.delta_psi > 0, outside)


def test_a_point_on_the_sphere_is_not_turned() -> None:
    q, wavelength = _points()
    rays = still_rays(q, BEAM, wavelength)
    on = still_rays(rays.s1 - BEAM / wavelength[:, None], BEAM, wavelength)
    np.testing.assert_allclose(on.delta_psi, 0, atol=1e-12)
    np.testing.assert_allclose(on.s1, rays.s1, atol=1e-12)


def test_derivatives_are_the_limits_of_differences() -> None:
    q, wavelength = _points()
    dq, step = np.random.default_rng(2).normal(0, 1, q.shape), 1e-6
    ds1, dpsi = derivatives(still_rays(q, BEAM, wavelength), dq)
    more = still_rays(q + step * dq, BEAM, wavelength)
    less = still_rays(q - step * dq, BEAM, wavelength)
    np.testing.assert_allclose(ds1, (more.s1 - less.s1) / (2 * step), atol=1e-7)
    np.testing.assert_allclose(dpsi, (more.delta_psi - less.delta_psi) / (2 * step), atol=1e-7)


def test_points_beyond_the_sphere_have_no_ray() -> None:
    rays = still_rays(np.array([[0.0, 2.0, 0.0]]), BEAM, np.array([1.3]))
    assert np.isnan(rays.s1).all()
