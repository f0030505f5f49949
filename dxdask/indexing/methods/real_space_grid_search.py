"""Vectors of a known cell among directions spread over a half sphere.

Source: Gildea et al. 2014, Acta Cryst. D70, 2652.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.arrays import Floats
from dxdask.indexing.lattice import sample
from dxdask.indexing.methods.parameters import RealSpaceGridSearch
from dxdask.indexing.methods.vectors import unique_vectors, upper_half
from dxdask.indexing.stills.known_cell import KnownCell
from dxdask.indexing.stills.phases import WORST_PHASE, best_apart, half_sphere
from dxdask.indexing.stills.search import refined_vectors

EQUAL_LENGTHS = 0.01
APART = 2.0  # spacings of the grid between two candidates
FEWEST_POINTS = 150
BLOCK = 256


def find_vectors(
    rlp: Floats, known: KnownCell, *, parameters: RealSpaceGridSearch, optimise: bool
) -> Floats:
    """Return candidate vectors (n, 3), Angstrom, of the direct lattice of points rlp (m, 3), 1/A.

    For each length of the axes of the primitive cell, a vector v is tried along each direction; its
    score is the sum of cos(2 pi v . r). At most `max_vectors` of the best are returned, best first.

    optimise : refine each vector by least squares of v . r against integers.
    """
    points = sample(rlp)
    order = np.argsort(np.linalg.norm(points, axis=1), kind="stable")
    points = np.ascontiguousarray(points[order])
    size = np.linalg.norm(points, axis=1)
    found, scores = [], []
    for length in _unique_lengths(np.linalg.norm(known.basis, axis=1)):
        inner, grid = _reach(size, length, parameters.characteristic_grid)
        directions = half_sphere(int(2.0 * np.pi / grid**2))
        score = np.empty(directions.shape[1])
        _scores(points[:inner], directions, length, score)
        best = np.argsort(-np.round(score, 6), kind="stable")
        chosen = np.empty(parameters.max_vectors, np.int64)
        chosen = chosen[: best_apart(directions, best, float(np.cos(APART * grid)), chosen)]
        found.append((directions[:, chosen] * length).T)
        scores.append(score[chosen] / inner)
    vectors, weights = np.concatenate(found), np.concatenate(scores)
    if optimise:
        vectors, misfits = refined_vectors(points, size, vectors)
        weights = -misfits
    vectors[~upper_half(vectors)] *= -1.0
    return unique_vectors(vectors, np.round(weights, 6))[: parameters.max_vectors]


def _unique_lengths(lengths: Floats) -> list[float]:
    """Return the lengths that differ by more than a hundredth, shortest first."""
    unique: list[float] = []
    for length in np.sort(lengths):
        if not unique or length > unique[-1] * (1.0 + EQUAL_LENGTHS):
            unique.append(float(length))
    return unique


def _reach(size: Floats, length: float, grid: float) -> tuple[int, float]:
    """Return the number of inner points that the grid (rad) resolves, and the grid.

    The phase of a point may be off by `WORST_PHASE` between two directions. Where fewer points
    than needed are within that, the grid is made finer.
    """
    reach = np.sqrt(2.0) * WORST_PHASE / length
    inner = int(np.searchsorted(size, reach / grid, side="right"))
    least = min(FEWEST_POINTS, len(size))
    if inner < least:
        return least, float(reach / size[least - 1])
    return inner, grid


@njit(cache=True, nogil=True, error_model="numpy")
def _scores(q: Any, directions: Any, length: float, out: Any) -> None:
    """Write to out (n,) the sum over q (m, 3) of cos(2 pi q . v), v = length times directions.

    The cosine is its Taylor series about the nearest maximum, good to 0.002, so that the compiler
    can take several directions at once.
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
        for s in range(q.shape[0]):
            a, b, c = q[s, 0] * length, q[s, 1] * length, q[s, 2] * length
            for j in range(size):
                h = a * x[j] + b * y[j] + c * z[j]
                u = 2.0 * np.pi * (h - np.rint(h))
                t = u * u
                # 1 - t/2! + t^2/4! - ... to t^6/12!
                poly = t / 132.0 - 1.0
                poly = poly * t / 90.0 + 1.0
                poly = poly * t / 56.0 - 1.0
                poly = poly * t / 30.0 + 1.0
                poly = poly * t / 12.0 - 1.0
                total[j] += poly * t / 2.0 + 1.0
        out[start : start + size] = total[:size]
