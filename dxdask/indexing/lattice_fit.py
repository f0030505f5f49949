"""Least squares of a lattice against points of reciprocal space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats

FITTING_ROUNDS = 5
FEWEST_INDEXED = 6
FURTHEST = (0.5, 2.0)  # change of the volume in one round of fitting


@dataclass(frozen=True, kw_only=True, slots=True)
class Lattice:
    """A primitive lattice fitted to a sample of the spots.

    Attributes
    ----------
    a_matrix : A (3, 3), 1/Angstrom.
    n_indexed : spots within the tolerance, of `n_sample`.
    rmsd : of those from their lattice points, 1/Angstrom.
    """

    a_matrix: Floats
    n_indexed: int
    n_sample: int
    rmsd: float

    @property
    def volume(self) -> float:
        """Volume of the cell, Angstrom^3."""
        return float(1.0 / abs(np.linalg.det(self.a_matrix)))


@njit(cache=True, nogil=True, error_model="numpy")
def _sums(a_matrix: Any, inverse: Any, rlp: Any, tolerance: Any, normal: Any, cross: Any) -> Any:
    """Sum h h^T and r h^T over points near their index; return their number and squared misfit."""
    normal[:] = 0.0
    cross[:] = 0.0
    h = np.empty(3)
    n = 0
    squares = 0.0
    for row in range(rlp.shape[0]):
        near = True
        for i in range(3):
            x = inverse[i, 0] * rlp[row, 0] + inverse[i, 1] * rlp[row, 1]
            x += inverse[i, 2] * rlp[row, 2]
            h[i] = np.rint(x)
            near = near and abs(x - h[i]) <= tolerance
        if not near or (h[0] == 0.0 and h[1] == 0.0 and h[2] == 0.0):
            continue
        n += 1
        for i in range(3):
            off = (
                rlp[row, i] - a_matrix[i, 0] * h[0] - a_matrix[i, 1] * h[1] - a_matrix[i, 2] * h[2]
            )
            squares += off * off
            for j in range(3):
                normal[i, j] += h[i] * h[j]
                cross[i, j] += rlp[row, i] * h[j]
    return n, squares


def indices_near(
    a_matrix: Floats, rlp: Floats, tolerance: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the nearest indices (n, 3) of points rlp (n, 3), and true (n,) within tolerance."""
    fractional = rlp @ np.linalg.inv(a_matrix).T
    hkl = np.rint(fractional)
    near = np.max(np.abs(fractional - hkl), axis=1) <= tolerance
    near &= np.any(hkl != 0, axis=1)
    return hkl.astype(np.int64), near


def fit(
    a_matrix: Floats, rlp: Floats, tolerance: float, *, rounds: int = FITTING_ROUNDS
) -> Lattice:
    """Return the lattice after some rounds of least squares of A h against the points rlp (n, 3).

    In each round the indices are fixed: A = (sum r h^T) (sum h h^T)^-1 over the points within the
    tolerance of integers. A round that loses the lattice (too few points, points in one plane, or
    a jump of the volume) is not accepted.
    """
    points = np.ascontiguousarray(rlp, dtype=np.float64)
    normal, cross = np.zeros((3, 3)), np.zeros((3, 3))
    a = np.ascontiguousarray(a_matrix, dtype=np.float64)
    n, squares = _sums(a, np.linalg.inv(a), points, tolerance, normal, cross)
    for _ in range(rounds):
        if n < FEWEST_INDEXED or np.linalg.matrix_rank(normal) < 3:
            break
        fitted = np.ascontiguousarray(np.linalg.solve(normal, cross.T).T)
        if not FURTHEST[0] < abs(np.linalg.det(fitted) / np.linalg.det(a)) < FURTHEST[1]:
            break
        a = fitted.astype(np.float64)
        n, squares = _sums(a, np.linalg.inv(a), points, tolerance, normal, cross)
    rmsd = float(np.sqrt(squares / n)) if n else np.inf
    return Lattice(a_matrix=a, n_indexed=int(n), n_sample=len(points), rmsd=rmsd)
