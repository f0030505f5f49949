"""Lattice points near the Ewald sphere of a still, and their positions on the detector."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.prediction.absences import is_centring_absence
from dxdask.prediction.lattice_rows import within
from dxdask.prediction.rays import find_panel
from dxdask.prediction.stills.footprint import (
    excitation,
    mean_ray,
    on_panel,
    ray_covariance,
    reach,
)

PANEL, S1, X, Y, EPS, SIGMA, D, XX, XY, YY, X_MM, Y_MM = 0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
N_NUMBERS = 14


@njit(cache=True, nogil=True, error_model="numpy")
def _record(q: Any, s0: Any, spread: Any, n_sigma: float, panels: Any, work: Any, row: Any) -> bool:
    """Fill row (N_NUMBERS,) of the point q; return True if it is near enough and on a panel."""
    unit, pull, s1 = work[0], work[1], work[2]
    eps = excitation(q, s0, unit)
    variance, g = reach(q, s0, unit, spread, pull)
    if not eps * eps <= n_sigma * n_sigma * variance:
        return False
    mean_ray(q, s0, eps, variance, g, spread, pull, s1)
    p, x_mm, y_mm, x, y = find_panel(panels, s1[0], s1[1], s1[2])
    if p < 0:
        return False
    covariance, jacobian = work[3:6], work[6:8]
    ray_covariance(q, s0, variance, g, spread, pull, covariance)
    row[PANEL], row[X], row[Y], row[EPS], row[SIGMA] = p, x, y, eps, np.sqrt(variance)
    row[X_MM], row[Y_MM] = x_mm, y_mm
    row[S1], row[S1 + 1], row[S1 + 2] = s1[0], s1[1], s1[2]
    row[D] = 1.0 / np.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2])
    row[XX], row[XY], row[YY] = on_panel(panels, p, s1, covariance, jacobian)
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def near_sphere(
    a_matrix: Any, s0: Any, limits: Any, centring: Any, spread: Any, panels: Any, hkl: Any,
    out: Any,
) -> int:  # fmt: skip
    """Fill hkl (n, 3) and out (n, N_NUMBERS); return the number of points, which may exceed n.

    limits : n_sigma, largest |eps| of any point (1/A), least and largest 1/d (1/A), and largest
    |h|, |k|. For each h and k only those l are visited that lie in the shell.
    """
    n = 0
    start, step, q, work, row = (
        np.empty(3),
        a_matrix[:, 2].copy(),
        np.empty(3),
        np.empty((8, 3)),
        np.empty(N_NUMBERS),
    )
    origin, centre = np.zeros(3), -s0
    wave = np.sqrt((s0 * s0).sum())
    for h in range(-int(limits[4]), int(limits[4]) + 1):
        for k in range(-int(limits[5]), int(limits[5]) + 1):
            for i in range(3):
                start[i] = a_matrix[i, 0] * h + a_matrix[i, 1] * k
            low, high = within(start, step, origin, limits[3])
            low_outer, high_outer = within(start, step, centre, wave + limits[1])
            low, high = max(low, low_outer), min(high, high_outer)
            low_inner, high_inner = within(start, step, centre, wave - limits[1])
            l = int(np.ceil(low))
            while l <= high:
                if low_inner < l < high_inner:
                    l = int(np.ceil(high_inner))
                    continue
                for i in range(3):
                    q[i] = start[i] + l * step[i]
                q2 = q[0] * q[0] + q[1] * q[1] + q[2] * q[2]
                good = (
                    q2 > 0.0 and limits[2] ** 2 <= q2 and not is_centring_absence(h, k, l, centring)
                )
                if good and _record(q, s0, spread, limits[0], panels, work, row):
                    if n < len(hkl):
                        hkl[n, 0], hkl[n, 1], hkl[n, 2] = h, k, l
                        out[n] = row
                    n += 1
                l += 1
    return n
