"""Residuals and gradients of reflections of a rotating crystal.

After Waterman et al. (2016), Acta Cryst. D72, 558: with r = R(phi) S F A h and s1 = s0 + r, the
reflecting angle moves by dphi = -(dr . s1) / ((m2 x r) . s0) for a change dr of crystal or setting
and by -(r . ds0) / ((m2 x r) . s0) for one of the beam; s1 by dr + (m2 x r) dphi, or by ds0 +
(m2 x r) dphi. On the panel (u, v, w) = D s1, X = u / w, Y = v / w.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from dxdask.geometry.rays import nearest_angle, reflecting_angles, rotate, transform
from dxdask.refinement.least_squares.local import BEAM, PANEL, SETTING, STRAIN


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def cross(a: Any, b: Any, out: Any) -> None:
    """Write a x b into out (3,)."""
    out[0] = a[1] * b[2] - a[2] * b[1]
    out[1] = a[2] * b[0] - a[0] * b[2]
    out[2] = a[0] * b[1] - a[1] * b[0]


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def dot(a: Any, b: Any) -> Any:
    """Return a . b of vectors (3,)."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(cache=True, nogil=True, error_model="numpy")
def interpolated(table: Any, point: Any, part: Any, out: Any) -> None:
    """Write into out (3, 3) the matrix between two rows of a table (t, 3, 3)."""
    for i in range(3):
        for j in range(3):
            out[i, j] = table[point, i, j]
            if part > 0.0:
                out[i, j] += part * (table[point + 1, i, j] - table[point, i, j])


@njit(cache=True, nogil=True, error_model="numpy")
def on_panel(change: Any, inverse_d: Any, pv: Any, k: Any, work: Any, gradient: Any) -> None:
    """Write into gradient (3, :) the change of X and Y by that of a ray (3,), as parameter k."""
    transform(inverse_d, change, work)
    gradient[0, k] = (work[0] - pv[0] / pv[2] * work[2]) / pv[2]
    gradient[1, k] = (work[1] - pv[1] / pv[2] * work[2]) / pv[2]


@njit(cache=True, nogil=True, error_model="numpy")
def panel_moves(x: Any, y: Any, centre: Any, normal: Any, gradient: Any) -> None:
    """Write into gradient (3, :) the derivatives of X, Y by the six moves of the panel.

    The point of a ray on the panel moves against the panel: along fast and slow by the shift, by
    the shift along the normal as the ray is oblique, and by rotations with the arm from the centre.

    centre : (2,) of the panel, mm. normal : (3,) D times the panel's normal.
    """
    arm_x, arm_y = x - centre[0], y - centre[1]
    slope_x, slope_y = normal[0] - x * normal[2], normal[1] - y * normal[2]
    gradient[0, PANEL], gradient[1, PANEL] = -1.0, 0.0
    gradient[0, PANEL + 1], gradient[1, PANEL + 1] = 0.0, -1.0
    gradient[0, PANEL + 2], gradient[1, PANEL + 2] = -slope_x, -slope_y
    gradient[0, PANEL + 3], gradient[1, PANEL + 3] = -arm_y * slope_x, -arm_y * slope_y
    gradient[0, PANEL + 4], gradient[1, PANEL + 4] = arm_x * slope_x, arm_x * slope_y
    gradient[0, PANEL + 5], gradient[1, PANEL + 5] = arm_y, -arm_x


@njit(cache=True, nogil=True, error_model="numpy")
def rotation_rows(
    hkl: Any, crystal: Any, experiment: Any, panel: Any, observed: Any, point: Any, part: Any,
    entering: Any, beam: Any, a_table: Any, form: Any, forms: Any, n_strains: Any, frames: Any,
    m2: Any, s0: Any, beam_axes: Any, setting_axes: Any, inverse_d: Any, normals: Any, centres: Any,
    residual: Any, gradient: Any, predicted: Any,
) -> None:  # fmt: skip
    """Fill residual (n, 3), gradient (n, 3, N_LOCAL) and predicted (n,) of rows (see `Rows`).

    beam : (n,) index of s0 (b, 3). See `dxdask.refinement.models.state.Arrays` for the models.
    """
    a, frame = np.empty((3, 3)), np.empty((3, 3))
    q, r0, r, s1, pv, turn = (
        np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    )  # fmt: skip
    v, w, dr, ds = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    for n in range(hkl.shape[0]):
        e, p, f, b = experiment[n], panel[n], form[crystal[n]], beam[n]
        interpolated(a_table, point[n], part[n], a)
        frame[:, :] = frames[e]
        transform(a, hkl[n], q)
        transform(frame, q, r0)
        enters, leaves = reflecting_angles(r0, s0[b], m2[e])
        phi = nearest_angle(enters if entering[n] else leaves, observed[n, 2])
        cosine, sine = math.cos(phi), math.sin(phi)
        rotate(r0, m2[e], cosine, sine, r)
        for i in range(3):
            s1[i] = s0[b, i] + r[i]
        transform(inverse_d[p], s1, pv)
        cross(m2[e], r, turn)
        speed = dot(turn, s0[b])
        predicted[n] = pv[2] > 0.0 and speed != 0.0
        if not predicted[n]:
            continue
        x, y = pv[0] / pv[2], pv[1] / pv[2]
        residual[n, 0], residual[n, 1] = observed[n, 0] - x, observed[n, 1] - y
        residual[n, 2] = observed[n, 2] - phi
        g = gradient[n]
        for k in range(SETTING + 2):
            if k < STRAIN:
                for i in range(3):
                    v[i] = frame[i, k]
                rotate(v, m2[e], cosine, sine, w)
                cross(w, r, dr)
            elif k < BEAM:
                if k - STRAIN >= n_strains[f]:
                    continue
                transform(forms[f, k - STRAIN], hkl[n], v)
                transform(a, v, w)
                transform(frame, w, v)
                rotate(v, m2[e], cosine, sine, dr)
            elif k < SETTING:
                if k == BEAM + 2:
                    for i in range(3):
                        ds[i] = s0[b, i]
                else:
                    cross(beam_axes[e, k - BEAM], s0[b], ds)
            else:
                cross(setting_axes[e, k - SETTING], r, dr)
            if BEAM <= k < SETTING:
                rate = -dot(r, ds) / speed
            else:
                rate = -dot(dr, s1) / speed
                ds[:] = dr
            for i in range(3):
                ds[i] += turn[i] * rate
            on_panel(ds, inverse_d[p], pv, k, w, g)
            g[2, k] = rate
        panel_moves(x, y, centres[p], normals[p], g)
