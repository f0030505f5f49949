"""Axes of an unknown cell as peaks of the Fourier transform of the spots of one still.

Source: Bricogne 1986; Campbell 1998, J. Appl. Cryst. 31, 407; DIALS's fft3d. The spots of a still
lie on a cap of the Ewald sphere, thin along the beam, so few grid points do along it; and the
modulus of the transform, rather than its real part, needs no more there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.arrays import Floats
from dxdask.indexing.stills.parameters import BlindSearch

SHORTEST = 3.0
PADDING = 1.5


def transform_peaks(q: Floats, parameters: BlindSearch) -> Floats:
    """Return vectors (n, 3), A, at which spots q (m, 3), 1/A, are in phase; highest first."""
    across = np.linalg.eigh(np.einsum("ni,nj->ij", q, q))[1][:, ::-1].T
    import scipy.fft  # parameters of all steps are read without it

    rotated = q @ across.T
    n, pitch = parameters.n_points, 0.5 / parameters.max_cell
    reach = 0.5 * n * pitch * 0.98
    inner = rotated[np.all(np.abs(rotated[:, :2]) < reach, axis=1)]
    if len(inner) == 0:
        return np.empty((0, 3))
    low, high = inner[:, 2].min(), inner[:, 2].max()
    depth = int(PADDING * (high - low) / pitch) + 2
    n_deep = min(scipy.fft.next_fast_len(max(depth, 8)), n)
    inner = inner[inner[:, 2] < low + (n_deep - 1) * pitch]
    place = np.rint((inner - [0.0, 0.0, low]) / pitch).astype(np.int64)
    grid = np.zeros((n_deep, n, n), np.float32)
    np.add.at(grid, (place[:, 2] % n_deep, place[:, 1] % n, place[:, 0] % n), 1.0)
    transform = scipy.fft.rfftn(grid, workers=1)
    power = transform.real**2 + transform.imag**2
    steps = 1.0 / (np.array([n, n, n_deep]) * pitch)
    places = np.empty((parameters.n_peaks, 3))
    heights = np.empty(parameters.n_peaks)
    found = _highest(power, steps, parameters.max_cell, SHORTEST, places, heights)
    return np.ascontiguousarray(places[:found] @ across)


@njit(cache=True, nogil=True, error_model="numpy")
def _highest(
    power: Any, steps: Any, longest: float, shortest: float, places: Any, heights: Any
) -> int:
    """Fill places (m, 3), A, and heights (m,) with the highest local maxima of power (z, y, x).

    x is not negative, as in the half transform of real numbers. Returns the number of maxima.
    """
    nz, ny, nx = power.shape
    most, n = heights.shape[0], 0
    for k in range(nz):
        z = (k if 2 * k <= nz else k - nz) * steps[2]
        for j in range(ny):
            y = (j if 2 * j <= ny else j - ny) * steps[1]
            for i in range(nx - 1):
                value = power[k, j, i]
                if n == most and value <= heights[n - 1]:
                    continue
                x = i * steps[0]
                r2 = x * x + y * y + z * z
                if r2 > longest * longest or r2 < shortest * shortest:
                    continue
                # in the plane x = 0 one half is the image of the other
                if i == 0 and (y < 0.0 or (y == 0.0 and z < 0.0)):
                    continue
                if not _is_peak(power, k, j, i):
                    continue
                p = n if n < most else most - 1
                n = min(n + 1, most)
                while p > 0 and heights[p - 1] < value:
                    heights[p] = heights[p - 1]
                    places[p] = places[p - 1]
                    p -= 1
                heights[p] = value
                places[p, 0], places[p, 1], places[p, 2] = x, y, z
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def _is_peak(power: Any, k: int, j: int, i: int) -> bool:
    """Return true if no neighbour is higher, and none before it equal."""
    nz, ny = power.shape[0], power.shape[1]
    value = power[k, j, i]
    for dk in range(-1, 2):
        for dj in range(-1, 2):
            for di in range(-1, 2):
                if dk == 0 and dj == 0 and di == 0:
                    continue
                if i + di < 0:
                    # the image of what lies beyond: F(-v) is the conjugate of F(v)
                    other = power[(nz - k - dk) % nz, (ny - j - dj) % ny, -(i + di)]
                else:
                    other = power[(k + dk) % nz, (j + dj) % ny, i + di]
                before = dk < 0 or (dk == 0 and (dj < 0 or (dj == 0 and di < 0)))
                if other > value or (before and other == value):
                    return False
    return True
