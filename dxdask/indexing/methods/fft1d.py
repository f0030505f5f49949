"""Basis vectors of the direct lattice from one-dimensional Fourier transforms along directions.

Source: Steller, Bolotovsky & Rossmann 1997, J. Appl. Cryst. 30, 1036 (DPS); Sauter,
Grosse-Kunstleve & Adams 2004, J. Appl. Cryst. 37, 399.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numba import njit

from dxdask.arrays import Floats
from dxdask.indexing.lattice import sample
from dxdask.indexing.methods.parameters import Fft1d
from dxdask.indexing.methods.vectors import unique_vectors, upper_half
from dxdask.indexing.stills.phases import WORST_PHASE, best_apart, half_sphere
from dxdask.indexing.stills.search import refined_vectors

COARSEST_GRID = 0.029
MOST_DIRECTIONS = 200_000
CANDIDATES = 300
MOST_VECTORS = 30
APART = 1.5  # spacings of the grid between two candidates
OVERSAMPLING = 2.0
BLOCK = 1024


def grid_spacing(max_cell: float, d_min: float) -> float:
    """Return the angle between directions, rad, that finds vectors up to max_cell (Angstrom).

    The nearest direction is then at most `WORST_PHASE` off in phase for spots of d_min (Angstrom).
    """
    return float(min(COARSEST_GRID, np.sqrt(2.0) * WORST_PHASE * d_min / max_cell))


def find_vectors(
    rlp: Floats, *, max_cell: float, min_cell: float, d_min: float, parameters: Fft1d
) -> Floats:
    """Return candidate vectors (n, 3), Angstrom, of the direct lattice of points rlp (m, 3), 1/A.

    The projections of the points on each direction are transformed; the highest peak gives a
    vector. The best, at most 300, are refined by least squares of v . r against integers; of these
    at most 30 are returned, the best first.
    """
    points = np.ascontiguousarray(sample(rlp))
    grid = parameters.characteristic_grid or grid_spacing(max_cell, d_min)
    n = min(int(2.0 * np.pi / grid**2), MOST_DIRECTIONS)
    directions = half_sphere(n)
    lengths, heights = _best_lengths(points, directions, max_cell, min_cell)
    order = np.lexsort((lengths, -np.round(heights, 9)))
    chosen = np.empty(min(CANDIDATES, n), np.int64)
    chosen = chosen[: best_apart(directions, order, float(np.cos(APART * grid)), chosen)]
    vectors = np.ascontiguousarray((directions[:, chosen] * lengths[chosen]).T)
    return best_refined(points, vectors, max_cell=max_cell, min_cell=min_cell)[:MOST_VECTORS]


def best_refined(points: Floats, vectors: Floats, *, max_cell: float, min_cell: float) -> Floats:
    """Return vectors (n, 3) refined against points (m, 3), the best first, each once."""
    size = np.linalg.norm(points, axis=1)
    refined, misfits = refined_vectors(points, size, vectors)
    refined[~upper_half(refined)] *= -1.0
    length = np.linalg.norm(refined, axis=1)
    keep = (length > min_cell) & (length < 2.0 * max_cell) & np.isfinite(misfits)
    return unique_vectors(refined[keep], -np.round(misfits[keep], 6))


def _best_lengths(
    points: Floats, directions: Floats, max_cell: float, min_cell: float
) -> tuple[Floats, Floats]:
    """Return the length (n,), Angstrom, and height (n,) of the best peak of each direction."""
    reach = float(np.linalg.norm(points, axis=1).max())
    width = 0.5 / (OVERSAMPLING * max_cell)
    n_bins = scipy.fft.next_fast_len(int(2.0 * reach / width) + 2, real=True)
    # The period of the transform is 1 / width; a peak is a length in steps of 1 / (n_bins width).
    step = 1.0 / (n_bins * width)
    first, last = int(np.ceil(min_cell / step)), int(max_cell / step) + 1
    n = directions.shape[1]
    lengths, heights = np.empty(n), np.empty(n)
    grid = np.empty((BLOCK, n_bins), np.float32)
    for start in range(0, n, BLOCK):
        part = np.ascontiguousarray(directions[:, start : start + BLOCK])
        size = part.shape[1]
        _project(points, part, reach, width, grid)
        power = np.abs(scipy.fft.rfft(grid[:size], axis=1, workers=1)).astype(np.float64)
        _highest(power, first, last, lengths[start : start + size], heights[start : start + size])
    return lengths * step, heights / len(points)


@njit(cache=True, nogil=True, error_model="numpy")
def _project(points: Any, directions: Any, reach: float, width: float, grid: Any) -> None:
    """Fill each row of grid (k, bins) with the number of points in bins along a direction.

    A point is shared by the two bins nearest to it.
    """
    for d in range(directions.shape[1]):
        x, y, z = directions[0, d], directions[1, d], directions[2, d]
        row = grid[d]
        row[:] = 0.0
        for i in range(points.shape[0]):
            p = (points[i, 0] * x + points[i, 1] * y + points[i, 2] * z + reach) / width
            k = int(p)
            off = p - k
            row[k] += 1.0 - off
            if k + 1 < row.shape[0]:
                row[k + 1] += off


@njit(cache=True, nogil=True, error_model="numpy")
def _highest(power: Any, first: int, last: int, lengths: Any, heights: Any) -> None:
    """Write the place (in steps) and height of the highest maximum of each row beyond the origin.

    The peak of the origin ends at the first minimum. The place is that of the parabola through
    the maximum and its neighbours.
    """
    for d in range(lengths.shape[0]):
        row = power[d]
        last_here = min(last, row.shape[0] - 2)
        start = 1
        while start < last_here and row[start + 1] < row[start]:
            start += 1
        best, height = 0, 0.0
        for k in range(max(start, first), last_here + 1):
            if row[k] > height and row[k] >= row[k - 1] and row[k] >= row[k + 1]:
                best, height = k, row[k]
        heights[d], lengths[d] = height, float(best)
        if best > 0:
            curve = row[best - 1] - 2.0 * row[best] + row[best + 1]
            if curve < 0.0:
                lengths[d] += 0.5 * (row[best - 1] - row[best + 1]) / curve
