"""Direct-space vectors v against spots q: q . v is an integer for a spot on a lattice plane."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.arrays import Floats

# Largest error of the phase at the outermost spots at which a lattice plane is still found.
WORST_PHASE = 0.35
BLOCK = 256


def half_sphere(n: int) -> Floats:
    """Return n directions (3, n) spread evenly over a half sphere, by the golden angle.

    Source: Gonzalez 2010, Math. Geosci. 42, 49 (Fibonacci lattices).
    """
    i = np.arange(n)
    z = (i + 0.5) / n
    r = np.sqrt(1.0 - z * z)
    angle = i * (np.pi * (3.0 - np.sqrt(5.0)))
    return np.stack([r * np.cos(angle), r * np.sin(angle), z])


def directions_needed(length: float, q_max: float) -> int:
    """Return the number of directions of vectors of this length (A) for spots up to q_max.

    q_max : 1/A. Neighbours are then at most `WORST_PHASE` apart in phase.
    """
    return int(np.ceil(2.0 * np.pi * (length * q_max / WORST_PHASE) ** 2))


@njit(cache=True, nogil=True, error_model="numpy")
def misfits_of_directions(q: Any, directions: Any, length: float, out: Any) -> None:
    """Write to out (n,) the mean distance of q . v from integers, for v = length times directions.

    q : (spots, 3), 1/A. directions : (3, n) unit vectors. It is 0.25 where v is no axis.
    """
    n = directions.shape[1]
    total = np.empty(BLOCK)
    for start in range(0, n, BLOCK):
        size = min(BLOCK, n - start)
        total[:] = 0.0
        x, y, z = (
            directions[0, start : start + size],
            directions[1, start : start + size],
            directions[2, start : start + size],
        )
        # spots in the outer loop, so that the sums over directions are vectorised
        for s in range(q.shape[0]):
            a, b, c = q[s, 0] * length, q[s, 1] * length, q[s, 2] * length
            for j in range(size):
                h = a * x[j] + b * y[j] + c * z[j]
                total[j] += abs(h - np.rint(h))
        for j in range(size):
            out[start + j] = total[j] / q.shape[0]


@njit(cache=True, nogil=True, error_model="numpy")
def best_apart(directions: Any, order: Any, cosine: float, out: Any) -> int:
    """Fill out (m,) with indices of the best directions, none within an angle of a better one.

    order : indices, the best first. cosine : of that angle. Returns their number.
    """
    n = 0
    for k in order:
        if n == out.shape[0]:
            break
        alone = True
        for m in range(n):
            j = out[m]
            dot = directions[0, k] * directions[0, j] + directions[1, k] * directions[1, j]
            dot += directions[2, k] * directions[2, j]
            if abs(dot) > cosine:
                alone = False
                break
        if alone:
            out[n] = k
            n += 1
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def refine_vector(q: Any, lengths: Any, v: Any, reach: Any, tolerance: Any) -> float:
    """Refine v (3,) in place by least squares of q . v against the nearest integers.

    q : (spots, 3) and lengths : (spots,) theirs. reach, tolerance : (rounds,): in each round spots
    up to this length and this near to integers are used. Returns the mean distance from integers of
    all spots, each at most the last tolerance.
    """
    m = np.empty((3, 3))
    b = np.empty(3)
    step = np.empty(3)
    for r in range(reach.shape[0]):
        m[:] = 0.0
        b[:] = 0.0
        n = 0
        for s in range(q.shape[0]):
            if lengths[s] > reach[r]:
                continue
            h = q[s, 0] * v[0] + q[s, 1] * v[1] + q[s, 2] * v[2]
            off = np.rint(h) - h
            if abs(off) > tolerance[r]:
                continue
            n += 1
            for i in range(3):
                b[i] += off * q[s, i]
                for j in range(3):
                    m[i, j] += q[s, i] * q[s, j]
        if n < 5:
            continue
        damping = 1e-3 * (m[0, 0] + m[1, 1] + m[2, 2])
        for i in range(3):
            m[i, i] += damping
        if solve3(m, b, step):
            v += step
    total = 0.0
    worst = tolerance[tolerance.shape[0] - 1]
    for s in range(q.shape[0]):
        h = q[s, 0] * v[0] + q[s, 1] * v[1] + q[s, 2] * v[2]
        total += min(abs(h - np.rint(h)), worst)
    return float(total / q.shape[0])


@njit(cache=True, nogil=True, error_model="numpy")
def solve3(m: Any, b: Any, out: Any) -> bool:
    """Solve m (3, 3) x = b (3,) by cofactors into out (3,); false where m is singular."""
    c0 = m[1, 1] * m[2, 2] - m[1, 2] * m[2, 1]
    c1 = m[1, 2] * m[2, 0] - m[1, 0] * m[2, 2]
    c2 = m[1, 0] * m[2, 1] - m[1, 1] * m[2, 0]
    det = m[0, 0] * c0 + m[0, 1] * c1 + m[0, 2] * c2
    if not abs(det) > 1e-300:
        return False
    d0 = m[0, 2] * m[2, 1] - m[0, 1] * m[2, 2]
    d1 = m[0, 0] * m[2, 2] - m[0, 2] * m[2, 0]
    d2 = m[0, 1] * m[2, 0] - m[0, 0] * m[2, 1]
    e0 = m[0, 1] * m[1, 2] - m[0, 2] * m[1, 1]
    e1 = m[0, 2] * m[1, 0] - m[0, 0] * m[1, 2]
    e2 = m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0]
    x = (c0 * b[0] + d0 * b[1] + e0 * b[2]) / det
    y = (c1 * b[0] + d1 * b[1] + e1 * b[2]) / det
    z = (c2 * b[0] + d2 * b[1] + e2 * b[2]) / det
    out[0], out[1], out[2] = x, y, z
    return True
