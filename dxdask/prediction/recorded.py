"""Places at which lattice points cross the Ewald sphere and strike the detector."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from dxdask.geometry.rays import rotate
from dxdask.prediction.crossings import point_at, static_crossings
from dxdask.prediction.rays import find_panel
from dxdask.prediction.varying import DEEPEST, varying_crossings

PANEL, ENTERING, PHI, X_MM, Y_MM, X, Y, S1 = 0, 1, 2, 3, 4, 5, 6, 7
N_NUMBERS = 10


@njit(cache=True, nogil=True, error_model="numpy")
def _sort_by_angle(found: Any, n: int) -> None:
    """Sort the first n rows of `found` (few) by their first number."""
    for i in range(1, n):
        j = i
        while j > 0 and found[j - 1, 0] > found[j, 0]:
            for k in range(found.shape[1]):
                found[j - 1, k], found[j, k] = found[j, k], found[j - 1, k]
            j -= 1


@njit(cache=True, nogil=True, error_model="numpy")
def recorded(
    first: int, n_points: int, points: Any, scan: Any, tree: Any, panels: Any,
    found: Any, hkl: Any, out: Any,
) -> Any:  # fmt: skip
    """Fill hkl (n, 3) and out (n, N_NUMBERS) for points (m, 3), until one may not fit.

    Return the number of reflections and the next point. found : see `static_crossings`, workspace.
    """
    n, s1, todo = 0, np.empty(3), np.empty(DEEPEST, np.int64)
    for p in range(first, n_points):
        if n + len(found) > len(hkl):
            return n, p
        index = points[p, 0], points[p, 1], points[p, 2]
        if len(scan.points) > 1:
            m = varying_crossings(index, scan, tree, todo, found)
        else:
            r = point_at(scan.points, 0.0, index)
            m = static_crossings(r, scan, scan.before, scan.after, found, 0)
        _sort_by_angle(found, m)
        for i in range(m):
            phi = found[i, 0]
            r = point_at(scan.points, found[i, 1], index)
            rotate(r, scan.m2, math.cos(phi), math.sin(phi), s1)
            for j in range(3):
                s1[j] += scan.s0[j]
            if len(scan.beam_turns):
                ray = point_at(scan.beam_turns, found[i, 1], (s1[0], s1[1], s1[2]))
                for j in range(3):
                    s1[j] = ray[j]
            panel, x_mm, y_mm, x, y = find_panel(panels, s1[0], s1[1], s1[2])
            if panel < 0:
                continue
            out[n, PANEL], out[n, ENTERING], out[n, PHI] = panel, found[i, 2], phi
            out[n, X_MM], out[n, Y_MM], out[n, X], out[n, Y] = x_mm, y_mm, x, y
            for j in range(3):
                hkl[n, j], out[n, S1 + j] = index[j], s1[j]
            n += 1
    return n, n_points
