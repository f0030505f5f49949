"""Fitted profile of a reflection: a Gaussian in Kabsch's frame, or a learnt one, over pixels.

It is the product of a part over the pixels, the same on all frames, and of the fraction of the
rotation in each frame. A pixel's weight is an integer, so that sums over pixels are exact in any
order. Source: Kabsch (2010), Acta Cryst. D66, 133.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats

# Weight of the centre of a profile on a single frame. The cubes of 512 such pixels fit 64 bits.
PEAK = 1 << 18
_MOST_SAMPLES = 5  # along a side of a pixel
_SAMPLED = 0.8  # px, the width from which one sample a pixel is enough: sum p^2 is right to 0.4 %
_NARROWEST = 0.04  # px^2, the least variance of a profile


class Learnt(NamedTuple):
    """Densities learnt from strong reflections, on a grid over the plane in widths of the Gaussian.

    grids: (k, n, n), averaged over a pixel, of regions and stretches of the scan; last axis along
    Kabsch's e1. half: of the grid, widths.
    """

    grids: Floats
    half: float


class Profiles(NamedTuple):
    """Gaussians of n reflections over the pixels of the stored frame and the rotation.

    centre: (n, 3), x and y (px), phi (rad). inverse: (n, 3), xx, xy, yy of the inverse of the
    covariance, 1/px^2. samples: (n,) int64, points along each side of a pixel, over which its
    weight is averaged. rotation: (n,), |zeta| over root two of the width, 1/rad. learnt: (n, 2)
    int64, two grids that take the place of the Gaussian over the pixels; -1 for none. second: (n,),
    part of the second of them, 0 to 1. along: (n, 2), direction of Kabsch's e1 on the panel. grids,
    half: as of `Learnt`.
    """

    centre: Floats
    inverse: Floats
    samples: NDArray[np.int64]
    rotation: Floats
    learnt: NDArray[np.int64]
    second: Floats
    along: Floats
    grids: Floats
    half: float


def profiles(centre: Floats, covariance: Floats, zeta: Floats, width: Floats) -> Profiles:
    """Return the profiles of n reflections.

    The widths are of recorded counts, so they include the size of a pixel. One sample a pixel
    reproduces large widths; for small ones the pixel is subtracted from them (1/12 px^2, less the
    spacing of the samples), and several samples are averaged.

    Parameters
    ----------
    centre : (n, 3), x and y (px of the stored frame), phi (rad).
    covariance : (n, 3), xx, xy, yy, px^2.
    zeta : (n,).
    width : (n,), along the rotation, rad.
    """
    xx, xy, yy = covariance.T
    least = 0.5 * (xx + yy) - np.sqrt(0.25 * (xx - yy) ** 2 + xy**2)
    samples = np.clip(np.ceil(_SAMPLED / np.sqrt(least)), 1, _MOST_SAMPLES)
    taken = np.minimum((1.0 - 1.0 / samples**2) / 12.0, least - _NARROWEST)
    xx, yy = xx - taken, yy - taken
    det = xx * yy - xy**2
    inverse = np.stack([yy / det, -xy / det, xx / det], axis=1)
    rotation = np.abs(zeta) / (np.sqrt(2.0) * width)
    return Profiles(
        centre=centre,
        inverse=inverse,
        samples=samples.astype(np.int64),
        rotation=rotation,
        learnt=np.full((len(zeta), 2), -1, dtype=np.int64),
        second=np.zeros(len(zeta)),
        along=np.tile([1.0, 0.0], (len(zeta), 1)),
        grids=np.zeros((1, 1, 1)),
        half=1.0,
    )


def with_learnt(p: Profiles, learnt: Learnt, which: NDArray[np.int64], second: Floats) -> Profiles:
    """Return the profiles with a mean of two grids in place of each Gaussian.

    which : (n, 2), the grids. second : (n,), part of the second of them.
    """
    return p._replace(learnt=which, second=second, grids=learnt.grids, half=learnt.half)


def weight_of_sums(p: Profiles) -> Floats:
    """Return the factors (n,) from weights P to the fraction p of a reflection in a pixel."""
    i = p.inverse
    root = np.sqrt(i[:, 0] * i[:, 2] - i[:, 1] ** 2)
    first, second = p.grids.max(axis=(1, 2))[np.maximum(p.learnt, 0)].T
    largest = (1.0 - p.second) * first + p.second * second
    return np.asarray(root * np.where(p.learnt[:, 0] >= 0, largest, 0.5 / np.pi) / PEAK)


@njit(cache=True, nogil=True, error_model="numpy")
def _whitened(root: float, xy: float, rest: float, dx: float, dy: float) -> Any:
    return root * dx + xy / root * dy, rest * dy


@njit(cache=True, nogil=True, error_model="numpy")
def grid_map(p: Any, r: int, half: float, n: int) -> Any:
    """Return a, b, c, d of the map from the frame to a grid of n points for reflection r.

    The place of a point dx, dy (px) from its centre is a dx + b dy, c dx + d dy from the middle of
    the grid, in steps. In widths of the Gaussian it is a circle; e1 is along the first axis.
    """
    xx, xy, yy = p.inverse[r, 0], p.inverse[r, 1], p.inverse[r, 2]
    root, rest = math.sqrt(xx), math.sqrt(yy - xy * xy / xx)
    c, s = _whitened(root, xy, rest, p.along[r, 0], p.along[r, 1])
    step = 2.0 * half / (n - 1) * math.sqrt(c * c + s * s)
    c, s, mixed = c / step, s / step, xy / root
    return c * root, c * mixed + s * rest, -s * root, c * rest - s * mixed


@njit(cache=True, nogil=True, error_model="numpy")
def _interpolated(grid: Any, u: float, v: float) -> float:
    """Return the value of a grid (n, n) at a place, 0 outside."""
    n = len(grid)
    k, m = math.floor(v), math.floor(u)
    if not (0 <= k < n - 1 and 0 <= m < n - 1):
        return 0.0
    a, b = v - k, u - m
    low = (1.0 - b) * grid[k, m] + b * grid[k, m + 1]
    high = (1.0 - b) * grid[k + 1, m] + b * grid[k + 1, m + 1]
    return float((1.0 - a) * low + a * high)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_learnt(p: Any, inner: Any, r: int, at: int, largest: float, weights: Any) -> None:
    grid, other, part = p.grids[p.learnt[r, 0]], p.grids[p.learnt[r, 1]], p.second[r]
    a, b, c, d = grid_map(p, r, p.half, len(grid))
    middle = 0.5 * (len(grid) - 1)
    for y in range(inner[2], inner[3]):
        dy = y + 0.5 - p.centre[r, 1]
        for x in range(inner[0], inner[1]):
            dx = x + 0.5 - p.centre[r, 0]
            u, v = a * dx + b * dy + middle, c * dx + d * dy + middle
            value = (1.0 - part) * _interpolated(grid, u, v)
            if part > 0.0:
                value += part * _interpolated(other, u, v)
            weights[at] = int(PEAK * value / largest + 0.5)
            at += 1


@njit(cache=True, nogil=True, error_model="numpy")
def fill_weights(rows: Any, e: Any, starts: Any, weights: Any) -> None:
    """Fill weights[starts[i]:] with the weights of the pixels `e.inner` of reflection rows[i].

    They run along x, then y, int32, of the part of the profile that is the same on all frames.
    """
    largest = np.empty(len(e.profile.grids))
    for k in range(len(largest)):
        largest[k] = e.profile.grids[k].max()
    for i in range(len(rows)):
        r = rows[i]
        k, m, part = e.profile.learnt[r, 0], e.profile.learnt[r, 1], e.profile.second[r]
        if k >= 0:
            most = (1.0 - part) * largest[k] + part * largest[m]
            _fill_learnt(e.profile, e.inner[r], r, starts[i], most, weights)
            continue
        xx, xy, yy = e.profile.inverse[r, 0], e.profile.inverse[r, 1], e.profile.inverse[r, 2]
        n, at = e.profile.samples[r], starts[i]
        for y in range(e.inner[r, 2], e.inner[r, 3]):
            for x in range(e.inner[r, 0], e.inner[r, 1]):
                total = 0.0
                for j in range(n):
                    dy = y + (j + 0.5) / n - e.profile.centre[r, 1]
                    for k in range(n):
                        dx = x + (k + 0.5) / n - e.profile.centre[r, 0]
                        total += math.exp(-0.5 * (xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy))
                weights[at] = int(PEAK * total / (n * n) + 0.5)
                at += 1


@njit(cache=True, nogil=True, error_model="numpy")
def rotated_fraction(e: Any, r: int, phi: Any) -> float:
    """Return the fraction of reflection r that is recorded between two angles."""
    c, at = e.profile.rotation[r], e.profile.centre[r, 2]
    return 0.5 * abs(math.erf(c * (phi[1] - at)) - math.erf(c * (phi[0] - at)))
