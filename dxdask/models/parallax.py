"""Parallax: the shift of recorded positions by the depth of absorption in the sensor."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from dxdask.arrays import Floats

Law = Literal["absorbed", "dxtbx"]
"""Formulas of the mean path of photons in a sensor; see `mean_path`."""

ROUNDS = {"absorbed": 3, "dxtbx": 1}
"""Evaluations of the shift from pixels to mm: dxtbx takes that of the uncorrected position."""


def mean_path(path: Any, mu: float, law: Law) -> Any:
    """Return the mean path (n,), mm, of photons in the sensor, for its thicknesses along the rays.

    path: (n,), mm, thickness over the cosine of the angle to the normal. mu: 1/mm. law: formula,

    - absorbed: the mean over photons that are absorbed, 1/mu - p / (exp(mu p) - 1), of the
      exponential law of absorption cut off at p.
    - dxtbx: 1/mu - (p + 1/mu) exp(-mu p), the same integral without division by the fraction
      1 - exp(-mu p) that is absorbed; geometries that DIALS refined belong to it (Parkhurst et al.
      2022, "dxtbx", J. Appl. Cryst.; Waterman et al. 2016, Acta Cryst. D72, 558).
    """
    return dxtbx_mean_path(path, mu) if law == "dxtbx" else absorbed_mean_path(path, mu)


def absorbed_mean_path(path: Any, mu: float) -> Any:
    """Return `mean_path` of the law "absorbed"."""
    return 1.0 / mu + path * np.exp(-mu * path) / np.expm1(-mu * path)


def dxtbx_mean_path(path: Any, mu: float) -> Any:
    """Return `mean_path` of the law "dxtbx"."""
    return 1.0 / mu - (path + 1.0 / mu) * np.exp(-mu * path)


def shift(xy_mm: Floats, d_matrix: Floats, *, mu: float, thickness: float, law: Law) -> Floats:
    """Return the outward shifts (n, 2), mm, of the recorded positions of rays to `xy_mm` (n, 2).

    A ray that meets the front of the sensor at an angle moves sideways until it is absorbed; the
    shift is its mean path times its direction along fast and slow.

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
    depth = mean_path(thickness / (s1 @ normal), mu, law)
    out: Floats = depth[..., None] * np.stack([s1 @ fast, s1 @ slow], axis=-1)
    return out
