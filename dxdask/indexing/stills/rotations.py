"""Rotation of a known cell about one of its axes that fits the other two to the spots."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

NEAR_PLANES = 0.2
FEWEST_NEAR = 8


@njit(cache=True, nogil=True, error_model="numpy")
def frame_about(axis: Any, out: Any) -> None:
    """Fill out (3, 3) with rows e1 along `axis` (3,), e2 and e3, orthonormal and right-handed."""
    length = np.sqrt(axis[0] ** 2 + axis[1] ** 2 + axis[2] ** 2)
    for i in range(3):
        out[0, i] = axis[i] / length
    least = 0
    for i in range(3):
        if abs(out[0, i]) < abs(out[0, least]):
            least = i
    for i in range(3):
        out[1, i] = -out[0, least] * out[0, i]
    out[1, least] += 1.0
    length = np.sqrt(out[1, 0] ** 2 + out[1, 1] ** 2 + out[1, 2] ** 2)
    for i in range(3):
        out[1, i] /= length
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        out[2, i] = out[0, j] * out[1, k] - out[0, k] * out[1, j]


@njit(cache=True, nogil=True, error_model="numpy")
def best_rotation(q: Any, axis: Any, cell: Any, rotations: Any, total: Any, basis: Any) -> float:
    """Rotate the known cell about `axis`, on which its first vector lies, to fit the spots best.

    q : (spots, 3), 1/A. cell : (3, 3) lower triangular: its vectors along e1, e2, e3 of the frame
    about the axis before the rotation. rotations : (2, n) cosines and sines. total : (n,)
    workspace. basis : (3, 3) is filled with the rows a, b, c.

    Returns
    -------
    float
        Mean distance of the indices along b and c from integers, of spots on the lattice planes of
        a; 1 where these are too few.
    """
    frame = np.empty((3, 3))
    frame_about(axis, frame)
    n = rotations.shape[1]
    cosine, sine = rotations[0], rotations[1]
    total[:] = 0.0
    used = 0
    for s in range(q.shape[0]):
        h = q[s, 0] * axis[0] + q[s, 1] * axis[1] + q[s, 2] * axis[2]
        if abs(h - np.rint(h)) > NEAR_PLANES:
            continue
        used += 1
        p = q[s, 0] * frame[0, 0] + q[s, 1] * frame[0, 1] + q[s, 2] * frame[0, 2]
        x = q[s, 0] * frame[1, 0] + q[s, 1] * frame[1, 1] + q[s, 2] * frame[1, 2]
        y = q[s, 0] * frame[2, 0] + q[s, 1] * frame[2, 1] + q[s, 2] * frame[2, 2]
        b1, b2 = cell[1, 0] * p, cell[1, 1]
        c1, c2, c3 = cell[2, 0] * p, cell[2, 1], cell[2, 2]
        for j in range(n):
            u = x * cosine[j] + y * sine[j]
            w = y * cosine[j] - x * sine[j]
            k = b1 + b2 * u
            m = c1 + c2 * u + c3 * w
            total[j] += abs(k - np.rint(k)) + abs(m - np.rint(m))
    if used < FEWEST_NEAR:
        return 1.0
    best = 0
    for j in range(1, n):
        if total[j] < total[best]:
            best = j
    for i in range(3):
        e2 = cosine[best] * frame[1, i] + sine[best] * frame[2, i]
        e3 = cosine[best] * frame[2, i] - sine[best] * frame[1, i]
        basis[0, i] = cell[0, 0] * frame[0, i]
        basis[1, i] = cell[1, 0] * frame[0, i] + cell[1, 1] * e2
        basis[2, i] = cell[2, 0] * frame[0, i] + cell[2, 1] * e2 + cell[2, 2] * e3
    return float(total[best] / used / 2.0)
