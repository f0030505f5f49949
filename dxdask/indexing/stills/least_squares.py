"""Least squares of a lattice against the spots of one still, from the inner spots to all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.indexing.stills.phases import solve3

FEWEST = 6
STIFFNESS = 0.05


@njit(cache=True, nogil=True, error_model="numpy")
def invert3(m: Any, out: Any) -> bool:
    """Fill out (3, 3) with the inverse of m (3, 3); false where it has none."""
    column = np.empty(3)
    unit = np.empty(3)
    for j in range(3):
        unit[:] = 0.0
        unit[j] = 1.0
        if not solve3(m, unit, column):
            return False
        for i in range(3):
            out[i, j] = column[i]
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def nearest(q: Any, s: int, basis: Any, h: Any) -> float:
    """Fill h (3,) with the index nearest to spot s; return the largest distance from an integer.

    basis : (3, 3) rows a, b, c, A. The distance of h = 0 is 1.
    """
    worst = 0.0
    zero = True
    for i in range(3):
        x = basis[i, 0] * q[s, 0] + basis[i, 1] * q[s, 1] + basis[i, 2] * q[s, 2]
        h[i] = np.rint(x)
        zero = zero and h[i] == 0.0
        worst = max(worst, abs(x - h[i]))
    return 1.0 if zero else worst


@njit(cache=True, nogil=True, error_model="numpy")
def fit_lattice(q: Any, lengths: Any, reach: Any, tolerance: Any, a_matrix: Any, basis: Any) -> int:
    """Refine A (3, 3) and its inverse `basis` in place: q = A h by least squares, h fixed.

    In each round spots up to `reach` (1/A) with indices within `tolerance` of integers are used;
    both (rounds,). Columns of A that the spots do not determine are weakly restrained to their
    last values. Returns the number of spots of the last round, 0 where the lattice is lost.
    """
    normal, right = np.empty((3, 3)), np.empty((3, 3))
    h, x, b = np.empty(3), np.empty(3), np.empty(3)
    n = 0
    for r in range(reach.shape[0]):
        normal[:] = 0.0
        right[:] = 0.0
        n = 0
        for s in range(q.shape[0]):
            if lengths[s] > reach[r] or nearest(q, s, basis, h) > tolerance[r]:
                continue
            n += 1
            for i in range(3):
                for j in range(3):
                    normal[i, j] += h[i] * h[j]
                    right[i, j] += h[i] * q[s, j]
        if n < FEWEST:
            continue
        for i in range(3):
            # the weight of a spot with a small index along this axis only
            normal[i, i] += STIFFNESS * n
            for j in range(3):
                right[i, j] += STIFFNESS * n * a_matrix[j, i]
        for j in range(3):
            for i in range(3):
                b[i] = right[i, j]
            if not solve3(normal, b, x):
                return 0
            for i in range(3):
                a_matrix[j, i] = x[i]
        if not invert3(a_matrix, basis):
            return 0
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def indexed_by(q: Any, basis: Any, tolerance: float, hkl: Any, near: Any) -> Any:
    """Fill hkl (n, 3) with the nearest indices and near (n,) with true within the tolerance.

    Returns
    -------
    int, float
        The number of these, and their quality: 1 for a spot on a lattice point, 0 at the tolerance.
    """
    h = np.empty(3)
    n, quality = 0, 0.0
    for s in range(q.shape[0]):
        off = nearest(q, s, basis, h)
        near[s] = off <= tolerance
        for i in range(3):
            hkl[s, i] = int(h[i])
        if near[s]:
            n += 1
            quality += 1.0 - (off / tolerance) ** 2
    return n, quality
