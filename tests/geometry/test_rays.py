"""Rays: on the sphere, on the right side, leading back to the index."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.rays import rays
from support.refinement_cases import some_rotation

from dxdask.geometry.rays import is_entering
from dxdask.models.rotations import rotation_matrices


@given(seed=st.integers(0, 10_000), wavelength=st.floats(0.02, 2.0))
def test_rays_lie_on_the_sphere_and_lead_back_to_the_index(seed, wavelength):
    rng = np.random.default_rng(seed)
    hkl = rng.integers(-8, 9, size=(60, 3))
    setting = some_rotation(seed) / rng.uniform(20, 90)
    s0 = some_rotation(seed + 1)[0] / wavelength
    m2 = some_rotation(seed + 2)[1]
    phi, s1 = rays(hkl, setting, s0, m2)
    for side in (0, 1):
        ok = np.isfinite(phi[:, side])
        back = rotation_matrices(np.outer(-phi[ok, side], m2))
        r = np.einsum("nij,nj->ni", back, s1[ok, side] - s0)
        np.testing.assert_allclose(r @ np.linalg.inv(setting).T, hkl[ok], atol=1e-8)
        lengths = np.linalg.norm(s1[ok, side], axis=1) * wavelength
        np.testing.assert_allclose(lengths, 1.0, rtol=1e-9)
        # Where both ways meet, the point only touches the sphere and has no side.
        apart = np.abs(np.sin(0.5 * (phi[ok, 0] - phi[ok, 1]))) > 1e-6
        entering = is_entering(s1[ok, side], s0, m2)[apart]
        assert entering.all() if side == 0 else not entering.any()


def test_points_that_never_reflect_have_no_ray():
    # On the axis, and far beyond the limiting sphere.
    phi, s1 = rays(np.array([[1, 0, 0], [0, 500, 0]]), np.eye(3) / 50, (0, 0, -1.0), (1, 0, 0))
    assert np.isnan(phi).all()
    assert np.isnan(s1).all()
