"""Changes of basis of a lattice: Niggli reduction, and reduction to the primitive cell.

Throughout indexing a change of basis is a matrix P (3, 3) whose columns are the new axes in terms
of the old: the direct basis (rows a, b, c) becomes P^T (a, b, c), A becomes A P^-T, and a Miller
index h becomes P^T h.
"""

from __future__ import annotations

import math
from typing import Any

import gemmi
import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers
from dxdask.models import cell_of

ENOUGH_INDICES = 500
CHANCE = 0.01
"""Largest probability that indices meet a condition by chance, of any direction."""


def inverse(matrix: NDArray[np.generic]) -> Floats:
    """Return the inverse of a matrix (3, 3), in float64."""
    return np.asarray(np.linalg.inv(np.asarray(matrix, dtype=np.float64)), dtype=np.float64)


def changed(a_matrix: Floats, change: NDArray[np.generic]) -> Floats:
    """Return A P^-T (3, 3) for the change of basis P."""
    return np.asarray(a_matrix @ inverse(change).T)


def determinant(matrix: NDArray[np.generic]) -> int:
    """Return the determinant of an integer matrix."""
    return round(float(np.linalg.det(np.asarray(matrix, dtype=np.float64))))


def niggli_change(a_matrix: Floats) -> Integers:
    """Return the change of basis to the Niggli-reduced cell, right-handed."""
    handed = np.eye(3, dtype=np.int64) * (1 if np.linalg.det(a_matrix) > 0 else -1)
    cell = gemmi.UnitCell(*cell_of(changed(a_matrix, handed)))
    reduction = gemmi.GruberVector(cell, "P", True)
    reduction.niggli_reduce()
    rot = np.array(reduction.change_of_basis.rot, dtype=np.int64)
    return np.asarray(handed @ (rot // gemmi.Op.DEN))


def niggli_reduced(a_matrix: Floats) -> Floats:
    """Return A (3, 3) in the Niggli-reduced basis of its lattice."""
    return changed(a_matrix, niggli_change(a_matrix))


def directions_modulo(modulus: int) -> Integers:
    """Return the vectors (n, 3) of 0 .. modulus - 1, one of each set of multiples."""
    grid = np.stack(np.meshgrid(*[np.arange(modulus)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    first = np.array([row[np.flatnonzero(row)[0]] if row.any() else 0 for row in grid])
    return np.asarray(grid[first == 1], dtype=np.int64)


_TESTS = tuple((modulus, directions_modulo(modulus)) for modulus in (2, 3, 5, 7, 11, 13))


def reflection_condition(
    hkl: NDArray[np.integer], *, threshold: float
) -> tuple[int, Integers] | None:
    """Return (m, v) where more than `threshold` of the indices hkl (n, 3) have h . v = 0 (mod m).

    Such a condition holds for a cell that is m-fold too large (Sauter & Zwart 2009, Acta Cryst.
    D65, 553); the primes up to 13 are tried for m. None where none holds, so few indices would
    meet one by chance, or all lie in a plane. Each index meets a condition with a chance of 1 / m;
    those in the plane h . v = 0 meet that of any m, and count for none.
    """
    if not len(hkl) or np.linalg.matrix_rank(hkl.T @ hkl) < 3:
        return None
    hkl = hkl[:: max(len(hkl) // ENOUGH_INDICES, 1)]
    indices = np.ascontiguousarray(hkl, dtype=np.int64)
    for modulus, directions in _TESTS:
        found = _first_met(indices, directions, modulus, threshold * len(hkl))
        if found >= 0:
            return modulus, directions[found]
    return None


@njit(cache=True, nogil=True, error_model="numpy")
def _first_met(hkl: Any, directions: Any, modulus: int, least: float) -> int:
    """Return the first direction v with h . v = 0 (mod m) for more than `least` rows, or -1."""
    n, half = hkl.shape[0], modulus // 2
    v = np.empty(3, np.int64)
    for d in range(directions.shape[0]):
        for j in range(3):
            v[j] = directions[d, j] if directions[d, j] <= half else directions[d, j] - modulus
        met, in_plane = n, 0
        for i in range(n):
            total = hkl[i, 0] * v[0] + hkl[i, 1] * v[1] + hkl[i, 2] * v[2]
            in_plane += total == 0
            if total % modulus != 0:
                met -= 1
                if met <= least:
                    break
        if met <= least:
            continue
        chance = _tail(n - in_plane, met - in_plane, 1.0 / modulus)
        if chance * directions.shape[0] < CHANCE:
            return d
    return -1


@njit(cache=True, nogil=True, error_model="numpy")
def _tail(n: int, k: int, p: float) -> float:
    """Return the binomial probability of k or more of n."""
    total = 0.0
    for i in range(k, n + 1):
        ways = math.lgamma(n + 1.0) - math.lgamma(i + 1.0) - math.lgamma(n - i + 1.0)
        total += math.exp(ways + i * math.log(p) + (n - i) * math.log(1.0 - p))
    return total


def primitive(a_matrix: Floats, hkl: NDArray[np.integer], *, threshold: float) -> Floats:
    """Return A in the reduced primitive cell of indices hkl (n, 3); A itself if it is primitive."""
    indices = np.asarray(hkl, dtype=np.int64)
    indices = indices[np.any(indices != 0, axis=1)]
    start = a_matrix
    while (found := reflection_condition(indices, threshold=threshold)) is not None:
        modulus, direction = found
        # The direct lattice gains v / m, which replaces the axis where v has its first 1.
        change = np.eye(3, dtype=np.int64) * modulus
        change[:, np.flatnonzero(direction)[0]] = direction
        a_matrix = changed(a_matrix, change / modulus)
        new = indices @ change
        indices = new[np.all(new % modulus == 0, axis=1)] // modulus
    return start if a_matrix is start else niggli_reduced(a_matrix)
