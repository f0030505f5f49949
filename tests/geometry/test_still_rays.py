"""Rays of stills: geometry that must hold, and derivatives against differences."""

from __future__ import annotations

import numpy as np

from dxdask.geometry.still_rays import derivatives, still_rays
from dxdask.models.rotations import rotation_matrices

BEAM = np.array([0.0, 0.0, -1.0])


def _points(n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.normal(0, 0.2, (n, 3)), 1.3 * (1 + rng.normal(0, 0.01, n))


def test_rays_lie_on_the_sphere_nearest_to_the_point() -> None:
    q, wavelength = _points()
    rays = still_rays(q, BEAM, wavelength)
    np.testing.assert_allclose(np.linalg.norm(rays.s1, axis=1), 1 / wavelength)
    gap = rays.s1 - BEAM / wavelength[:, None] - q
    np.testing.assert_allclose(np.cross(gap, rays.s1), 0, atol=1e-12)


def test_delta_psi_is_the_angle_from_the_point_to_the_sphere() -> None:
    q, wavelength = _points()
    angle = still_rays(q, BEAM, wavelength).delta_psi
    axis = np.cross(q, BEAM)
    axis /= np.linalg.norm(axis, axis=1)[:, None]
    turned = np.einsum("nij,nj->ni", rotation_matrices(axis * angle[:, None]), q)
    lengths = np.linalg.norm(turned + BEAM / wavelength[:, None], axis=1)
    other = np.einsum("nij,nj->ni", rotation_matrices(-axis * angle[:, None]), q)
    wrong = np.linalg.norm(other + BEAM / wavelength[:, None], axis=1)
    on_sphere = np.minimum(np.abs(lengths * wavelength - 1), np.abs(wrong * wavelength - 1))
    np.testing.assert_allclose(on_sphere, 0, atol=1e-12)
    outside = np.linalg.norm(q + BEAM / wavelength[:, None], axis=1) > 1 / wavelength
    np.testing.assert_array_equal(angle > 0, outside)


def test_a_point_on_the_sphere_is_not_rotated() -> None:
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


def test_points_beyond_the_sphere_cannot_be_rotated_onto_it() -> None:
    rays = still_rays(np.array([[0.0, 2.0, 0.0]]), BEAM, np.array([1.3]))
    assert np.isnan(rays.delta_psi).all()
