"""Intersections of reciprocal lattice points with the Ewald sphere as the crystal rotates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats


@njit(cache=True, nogil=True, error_model="numpy")
def sphere_equation(r: Any, s0: Any, m2: Any) -> Any:
    """Return a, b, c of a cos(phi) + b sin(phi) = c, solved where r (3,) meets the sphere.

    With r split along and across the axis m2, |s0 + r(phi)| = |s0| reads like this, where
    |s0 + r(phi)|^2 - |s0|^2 is twice the left side less the right one; 1/Angstrom^2.
    """
    along = r[0] * m2[0] + r[1] * m2[1] + r[2] * m2[2]
    shared = along * (s0[0] * m2[0] + s0[1] * m2[1] + s0[2] * m2[2])
    a = s0[0] * r[0] + s0[1] * r[1] + s0[2] * r[2] - shared
    b = (
        s0[0] * (m2[1] * r[2] - m2[2] * r[1])
        + s0[1] * (m2[2] * r[0] - m2[0] * r[2])
        + s0[2] * (m2[0] * r[1] - m2[1] * r[0])
    )
    c = -0.5 * (r[0] * r[0] + r[1] * r[1] + r[2] * r[2]) - shared
    return a, b, c


@njit(cache=True, nogil=True, error_model="numpy")
def reflecting_angles(r: Any, s0: Any, m2: Any) -> Any:
    """Return the angles (entering, leaving), rad, at which r (3,), rotated about m2, meets the
    sphere.

    NaN, NaN where it does not. s0 . r decreases with phi (the point enters) at the later of the
    two solutions of `sphere_equation`.
    """
    a, b, c = sphere_equation(r, s0, m2)
    amplitude = math.sqrt(a * a + b * b)
    if not abs(c) < amplitude:
        return np.nan, np.nan
    centre = math.atan2(b, a)
    half = math.acos(c / amplitude)
    return centre + half, centre - half


@njit(cache=True, nogil=True, error_model="numpy")
def rotate(r: Any, m2: Any, cosine: Any, sine: Any, out: Any) -> None:
    """Write into out (3,) the vector r (3,) rotated about the unit vector m2 (3,) (Rodrigues)."""
    along = (1.0 - cosine) * (r[0] * m2[0] + r[1] * m2[1] + r[2] * m2[2])
    out[0] = along * m2[0] + cosine * r[0] + sine * (m2[1] * r[2] - m2[2] * r[1])
    out[1] = along * m2[1] + cosine * r[1] + sine * (m2[2] * r[0] - m2[0] * r[2])
    out[2] = along * m2[2] + cosine * r[2] + sine * (m2[0] * r[1] - m2[1] * r[0])


@njit(cache=True, nogil=True, error_model="numpy")
def transform(matrix: Any, v: Any, out: Any) -> None:
    """Write into out (3,) the product of a matrix (3, 3) and v (3,)."""
    for i in range(3):
        out[i] = matrix[i, 0] * v[0] + matrix[i, 1] * v[1] + matrix[i, 2] * v[2]


@njit(cache=True, nogil=True, error_model="numpy")
def nearest_angle(phi: Any, to: Any) -> Any:
    """Return phi plus the multiple of 2 pi that is nearest to `to`, rad."""
    return phi + 2.0 * math.pi * np.floor((to - phi) / (2.0 * math.pi) + 0.5)


def is_entering(s1: Floats, s0: Floats, m2: Floats) -> NDArray[np.bool_]:
    """Return True (n,) for rays s1 (n, 3) of points that enter the Ewald sphere as phi increases.

    The rate of |s0 + r|^2 with phi is 2 s0 . (m2 x r), so a point enters where s1 . (s0 x m2) < 0.

    s0, m2: (3,) or (n, 3).
    """
    return np.asarray((s1 * np.cross(s0, m2)).sum(axis=-1) < 0.0)
