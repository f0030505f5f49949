"""Rotations by small angles about fixed axes, with their derivatives."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats
from dxdask.models.vectors import rotation_matrix

MRAD = 1e-3


def rotation_derivative(axis: Floats, angle: float) -> Floats:
    """Return dR / dangle (3, 3), per rad, of the rotation R about the unit vector `axis`."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    out: Floats = cross @ rotation_matrix(axis, angle)
    return out


def product(axes: Floats, angles_mrad: Floats) -> tuple[Floats, Floats]:
    """Return R_k .. R_2 R_1 (3, 3) of rotations about `axes` (k, 3), and its derivatives (k, 3, 3).

    angles_mrad: (k,), mrad; the derivatives are with these, per mrad.
    """
    factors = [rotation_matrix(a, MRAD * t) for a, t in zip(axes, angles_mrad, strict=True)]
    slopes = [rotation_derivative(a, MRAD * t) for a, t in zip(axes, angles_mrad, strict=True)]
    derivatives = np.empty((len(axes), 3, 3))
    for k in range(len(axes)):
        derivatives[k] = MRAD * _chain([*factors[:k], slopes[k], *factors[k + 1 :]])
    return _chain(factors), derivatives


def _chain(factors: list[Floats]) -> Floats:
    out = np.eye(3)
    for f in factors:
        out = f @ out
    return out
