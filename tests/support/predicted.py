"""Laws that predictions follow, in plain numpy."""

from __future__ import annotations

import numpy as np

from dxdask.models.rotations import rotation_matrices


def rotated(e, p, a):
    """R(phi) S F A h for each prediction; a: (3, 3) or (n, 3, 3)."""
    g = e.goniometer
    r = (
        np.einsum("...ij,nj->ni", a, p["hkl"])
        if a.ndim == 2
        else np.einsum("nij,nj->ni", a, p["hkl"])
    )
    r = r @ (g.setting_rotation @ g.fixed_rotation).T
    return np.einsum(
        "nij,nj->ni", rotation_matrices(np.outer(p["phi_cal_rad"], g.rotation_axis)), r
    )


def assert_lawful(e, p, a):
    s0 = e.beam.s0
    np.testing.assert_allclose(np.linalg.norm(p["s1"], axis=1), np.linalg.norm(s0), rtol=1e-9)
    np.testing.assert_allclose(p["s1"], s0 + rotated(e, p, a), atol=1e-9)
    for i, panel in enumerate(e.detector.panels):
        at = p["panel"] == i
        xy = panel.mm_to_pixel(panel.ray_intersection(p["s1"][at]))
        np.testing.assert_allclose(np.stack([p["x_cal"], p["y_cal"]], axis=1)[at], xy, atol=1e-9)
        assert ((xy >= 0) & (xy < panel.image_size)).all()
    np.testing.assert_allclose(e.scan.phi_from_z(p["z_cal"]), p["phi_cal_rad"], atol=1e-12)
