"""Parallax: the shift of recorded positions by the depth of absorption in the sensor."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats


def shift(xy_mm: Floats, d_matrix: Floats, *, mu: float, thickness: float) -> Floats:
    """Return the outward shifts (n, 2), mm, of the recorded positions of rays to `xy_mm` (n, 2).

    A ray that meets the front of the sensor at an angle moves sideways until it is absorbed. Its
    mean path is o = 1/mu - (t/cos + 1/mu) exp(-mu t/cos) for thickness t and angle to the normal;
    the shift is o times the ray's direction along fast and slow. Source: the correction of dxtbx
    (Parkhurst et al. 2022, "dxtbx", J. Appl. Cryst.; Waterman et al. 2016, Acta Cryst. D72, 558).

    d_matrix: (3, 3), columns fast, slow, origin (mm). mu: 1/mm. thickness: mm. No shift where
    either is not known (0).
    """
    if not (mu > 0.0 and thickness > 0.0):
        return np.zeros_like(xy_mm)
    fast, slow, origin = d_matrix.T
    s1 = xy_mm @ np.stack([fast, slow]) + origin
    s1 = s1 / np.linalg.norm(s1, axis=-1, keepdims=True)
    normal = np.cross(fast, slow)
    if normal @ origin < 0:
        normal = -normal
    path = thickness / (s1 @ normal)
    depth = 1.0 / mu - (path + 1.0 / mu) * np.exp(-mu * path)
    out: Floats = depth[..., None] * np.stack([s1 @ fast, s1 @ slow], axis=-1)
    return out
