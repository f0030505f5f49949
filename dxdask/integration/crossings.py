"""Angles at which reflections cross the Ewald sphere, and their positions on the detector."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.integration.centring import is_centring_absence
from dxdask.integration.rays import find_panel

_VARYING_ROUNDS = 20
_VARYING_TOLERANCE = 1e-10  # rad


@njit(cache=True, nogil=True, error_model="numpy")
def _crossing(r: Any, s0: Any, m2: Any, sign: float) -> Any:
    """Return the angle at which s0 + R(phi) r has the length of s0; NaN if never.

    2 s0 . R r + r^2 = 0 is a cos phi + b sin phi = v: two roots, distinguished by `sign`.
    """
    along = m2[0] * r[0] + m2[1] * r[1] + m2[2] * r[2]
    s0_along = m2[0] * s0[0] + m2[1] * s0[1] + m2[2] * s0[2]
    a = s0[0] * r[0] + s0[1] * r[1] + s0[2] * r[2] - along * s0_along
    b = (
        s0[0] * (m2[1] * r[2] - m2[2] * r[1])
        + s0[1] * (m2[2] * r[0] - m2[0] * r[2])
        + s0[2] * (m2[0] * r[1] - m2[1] * r[0])
    )
    v = -0.5 * (r[0] * r[0] + r[1] * r[1] + r[2] * r[2]) - along * s0_along
    amplitude = np.sqrt(a * a + b * b)
    if not abs(v) < amplitude:
        return np.nan
    return np.arctan2(b, a) + sign * np.arccos(v / amplitude)


@njit(cache=True, nogil=True, error_model="numpy")
def _point(a_points: Any, t: float, h: float, k: float, l: float, out: Any) -> None:
    """Put A h into `out`, A at `t` images from the start of the scan, linear in between."""
    last = len(a_points) - 1
    if last == 0:
        i, f = 0, 0.0
    else:
        t = min(max(t, 0.0), float(last))
        i = min(int(t), last - 1)
        f = t - i
    for j in range(3):
        a = a_points[i]
        out[j] = a[j, 0] * h + a[j, 1] * k + a[j, 2] * l
        if f > 0.0:
            c = a_points[i + 1]
            out[j] += f * (c[j, 0] * h + c[j, 1] * k + c[j, 2] * l - out[j])


@njit(cache=True, nogil=True, error_model="numpy")
def _settle(
    phi: float, a_points: Any, hkl: Any, s0: Any, m2: Any, sign: float, scan: Any, r: Any
) -> Any:
    """Return the angle near `phi` at which the reflection crosses with A as it is at that angle."""
    for _ in range(_VARYING_ROUNDS):
        _point(a_points, (phi - scan[0]) / scan[1], hkl[0], hkl[1], hkl[2], r)
        new = _crossing(r, s0, m2, sign)
        new += 2.0 * np.pi * np.round((phi - new) / (2.0 * np.pi))
        if not abs(new - phi) > _VARYING_TOLERANCE:
            return new
        phi = new
    return phi


@njit(cache=True, nogil=True, error_model="numpy")
def _record(phi: float, r: Any, s0: Any, m2: Any, panels: Any, row: Any) -> Any:
    """Fill row (8,) of r rotated by phi: s1, phi, x_mm, y_mm, x, y; return the panel or -1."""
    c, s = np.cos(phi), np.sin(phi)
    along = (m2[0] * r[0] + m2[1] * r[1] + m2[2] * r[2]) * (1.0 - c)
    row[0] = s0[0] + c * r[0] + s * (m2[1] * r[2] - m2[2] * r[1]) + along * m2[0]
    row[1] = s0[1] + c * r[1] + s * (m2[2] * r[0] - m2[0] * r[2]) + along * m2[1]
    row[2] = s0[2] + c * r[2] + s * (m2[0] * r[1] - m2[1] * r[0]) + along * m2[2]
    row[3] = phi
    p, row[4], row[5], row[6], row[7] = find_panel(panels, row[0], row[1], row[2])
    return p


@njit(cache=True, nogil=True, error_model="numpy")
def _predict_one(
    index: Any, beam: Any, a_points: Any, scan: Any, panels: Any, r: Any, found: Any
) -> int:
    """Fill `found` (m, 9), panel and a row of `_record`, for one hkl; return their number."""
    s0, m2 = beam[0], beam[1]
    n = 0
    middle = (0.5 * (scan[2] + scan[3]) - scan[0]) / scan[1]
    # a crystal that varies may cross where the one at the middle does not
    slack = 0.05 if len(a_points) > 1 else 0.0
    for sign in (-1.0, 1.0):
        _point(a_points, middle, index[0], index[1], index[2], r)
        start = _crossing(r, s0, m2, sign)
        if np.isnan(start):
            continue
        start += 2.0 * np.pi * np.ceil((scan[2] - slack - start) / (2.0 * np.pi))
        while start < scan[3] + slack and n < len(found):
            phi = start
            start += 2.0 * np.pi
            if len(a_points) > 1:
                phi = _settle(phi, a_points, index, s0, m2, sign, scan, r)
            if not scan[2] <= phi < scan[3]:
                continue
            _point(a_points, (phi - scan[0]) / scan[1], index[0], index[1], index[2], r)
            p = _record(phi, r, s0, m2, panels, found[n, 1:])
            if p >= 0:
                found[n, 0] = p
                n += 1
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def predict_all(
    h_max: Any, d_star: Any, centring: Any, beam: Any, a_points: Any, scan: Any, panels: Any,
    found: Any, hkl: Any, out: Any,
) -> int:  # fmt: skip
    """Fill hkl (n, 3) and out (n, 9); return the number of reflections, which may exceed n.

    beam: (2, 3), s0 and m2. scan: start and width of an image, first and last angle (rad) accepted.
    d_star: smallest and largest, 1/Angstrom. found: (crossings, 9), workspace.
    """
    n = 0
    r, index = np.empty(3), np.empty(3)
    middle = (0.5 * (scan[2] + scan[3]) - scan[0]) / scan[1]
    for h in range(-h_max[0], h_max[0] + 1):
        for k in range(-h_max[1], h_max[1] + 1):
            for l in range(-h_max[2], h_max[2] + 1):
                if is_centring_absence(h, k, l, centring):
                    continue
                _point(a_points, middle, h, k, l, r)
                square = r[0] * r[0] + r[1] * r[1] + r[2] * r[2]
                if square == 0.0 or not d_star[0] ** 2 <= square <= d_star[1] ** 2:
                    continue
                index[0], index[1], index[2] = h, k, l
                m = _predict_one(index, beam, a_points, scan, panels, r, found)
                for i in range(min(m, len(hkl) - n)):
                    hkl[n + i, 0], hkl[n + i, 1], hkl[n + i, 2] = h, k, l
                    out[n + i] = found[i]
                n += m
    return n
