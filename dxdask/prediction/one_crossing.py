"""A crossing of the Ewald sphere within one image, of a crystal that varies in it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from dxdask.geometry.rays import nearest_angle, reflecting_angles, sphere_equation
from dxdask.prediction.crossings import angle_at, place_at, point_at, times

_TOLERANCE = 1e-11  # rad
_SECANTS, _HALVINGS = 12, 50


@njit(cache=True, nogil=True, error_model="numpy")
def off_sphere(i: int, hkl: Any, points: Any, turned: Any, s0: Any, m2: Any) -> Any:
    """Return half of |s0 + r|^2 - |s0|^2 at the start of image i, and its slope with the angle.

    r is A h, rotated; 1/Angstrom^2. points, turned, s0, m2 : of `ScanArrays`.
    """
    a, b, c = sphere_equation(times(points, i, hkl), s0, m2)
    cosine, sine = turned[i, 0], turned[i, 1]
    return a * cosine + b * sine - c, b * cosine - a * sine


@njit(cache=True, nogil=True, error_model="numpy")
def _crossing_at(t: float, hkl: Any, entering: bool, scan: Any) -> float:
    """Return the angle (rad), nearest to place t, at which A h crosses, A as it is at t."""
    r = point_at(scan.points, t, hkl)
    enters, leaves = reflecting_angles(r, scan.s0, scan.m2)
    return float(nearest_angle(enters if entering else leaves, angle_at(t, scan)))


@njit(cache=True, nogil=True, error_model="numpy")
def _by_secants(t: float, low: float, high: float, hkl: Any, entering: bool, scan: Any) -> Any:
    """Return place and angle of the crossing between two places from a place near; NaN for none."""
    angle = _crossing_at(t, hkl, entering, scan)
    off, before = place_at(angle, scan) - t, t
    t += off
    for _ in range(_SECANTS):
        if not low <= t <= high:
            break
        angle = _crossing_at(t, hkl, entering, scan)
        new = place_at(angle, scan) - t
        if abs(new * scan.width) < _TOLERANCE:
            return t, angle
        step = -new * (t - before) / (new - off)
        before, off = t, new
        t += step
    return np.nan, np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _by_halving(low: float, high: float, outside: bool, hkl: Any, scan: Any) -> float:
    """Return the place of the change of side between two; `outside` the sphere at the first."""
    for _ in range(_HALVINGS):
        t = 0.5 * (low + high)
        r = point_at(scan.points, t, hkl)
        a, b, c = sphere_equation(r, scan.s0, scan.m2)
        phi = angle_at(t, scan)
        if (a * math.cos(phi) + b * math.sin(phi) > c) == outside:
            low = t
        else:
            high = t
    return 0.5 * (low + high)


@njit(cache=True, nogil=True, error_model="numpy")
def add_crossings(
    i: int, first: float, last: float, hkl: Any, scan: Any, found: Any, n: int
) -> int:
    """Append to `found` the crossings within image i; return their number.

    first, last : from `off_sphere` at its ends. Of equal signs, it may cross twice.
    """
    low, high = float(i), i + 1.0
    outside = first > 0.0
    if outside != (last > 0.0):
        entering = outside == (scan.width > 0.0)
        start = low + first / (first - last)
        t, phi = _by_secants(start, low, high, hkl, entering, scan)
        if np.isnan(t):
            t = _by_halving(low, high, outside, hkl, scan)
            phi = angle_at(t, scan)
        if n < len(found):
            found[n, 0], found[n, 1], found[n, 2] = phi, t, 1.0 if entering else 0.0
            n += 1
        return n
    for entering in (False, True):
        t, phi = _by_secants(low + 0.5, low, high, hkl, entering, scan)
        if low <= t < high and n < len(found):
            found[n, 0], found[n, 1], found[n, 2] = phi, t, 1.0 if entering else 0.0
            n += 1
    return n
