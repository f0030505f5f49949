"""Profiles of stretches of the scan and regions of the frame, from their sums on the grid.

Sums of counts are taken over those of the Gaussian at the same pixels, so that it does not matter
where in a cell of the grid the few pixels of a reflection are. A profile is estimated from the one
of a larger part of the data, its parent: multiplied by the exponential of a polynomial of second
degree, which moves and widens a Gaussian exactly, then by a smooth factor which is the nearer to 1
the fewer the counts. The run is the parent of its regions and of its stretches, these together of
the stretches of each region. Sources: Efron & Tibshirani (1996), Ann. Statist. 24, 2431, for
exponential families around an estimated density; Kabsch (2010), Acta Cryst. D66, 133, for regions
and stretches.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.integration.profile_pixels import COUNTS, EXPECTED, GAUSSIAN, UNIT

_FLOOR = 1e-3  # density beside that of the Gaussian, of tails
_FARTHEST = 3.0  # widths, beyond which the polynomial is that at this distance
_STEPS = 20
_LONGEST = 0.5  # step of a coefficient
_LARGEST_STEP = 2.0  # of a density, half a stretch beyond the last
_LEAST = 1e-9  # mean counts of a cell


class _Freedom(NamedTuple):
    """How far a profile may differ from its parent.

    tilt : standard deviation of the coefficients of the polynomial. factor : relative, of a point.
    width : of the kernel that smooths it, widths of the Gaussian.
    """

    tilt: float
    factor: float
    width: float


_RUN = _Freedom(tilt=1.0, factor=1.0, width=0.2)
_PART = _Freedom(tilt=0.3, factor=0.05, width=0.5)
_PART_OF_BOTH = _Freedom(tilt=0.05, factor=0.03, width=0.5)
_DISPERSION = 10.0  # variance of counts over that of Poisson: by the shapes of single spots


def stretch_profiles(sums: NDArray[np.int64], half: float) -> Floats:
    """Return the densities (stretch, n, n) over that of the Gaussian, of sums (stretch, 3, n, n).

    half : of the grid, widths. Multiply by `gaussian_density` for the densities.
    """
    grid = _Grid.of(sums.shape[-1], half)
    run = _run_profile(sums.sum(axis=0), grid)
    return np.stack([_profile(run, s, grid, _PART) for s in sums])


def _run_profile(sums: NDArray[np.int64], grid: _Grid) -> Floats:
    return _profile(np.ones(grid.shape), sums, grid, _RUN)


def reference_profiles(sums: NDArray[np.int64], half: float) -> Floats:
    """Return the densities (stretch, region, n, n) of the sums (stretch, region, 3, n, n).

    half : of the grid, widths.
    """
    grid = _Grid.of(sums.shape[-1], half)
    run = _run_profile(sums.sum(axis=(0, 1)), grid)
    base = gaussian_density(sums.shape[-1], half)

    regions = np.stack([_profile(run, s, grid, _PART) for s in sums.sum(axis=0)])
    stretches = np.stack([_profile(run, s, grid, _PART) for s in sums.sum(axis=1)])
    out = np.empty((*sums.shape[:2], *grid.shape))
    for k, stretch in enumerate(stretches):
        for j, region in enumerate(regions):
            parent = stretch * region / np.maximum(run, _LEAST)
            out[k, j] = base * _profile(parent, sums[k, j], grid, _PART_OF_BOTH)
    return out


def beyond(near: Floats, far: Floats) -> Floats:
    """Return the densities (region, n, n) half a stretch beyond those of the last two stretches.

    Their logarithms go on, which is exact for a Gaussian whose inverse variance does.
    """
    step = np.sqrt(np.maximum(near, _LEAST) / np.maximum(far, _LEAST))
    out = near * np.clip(step, 1.0 / _LARGEST_STEP, _LARGEST_STEP)
    scale = near.sum(axis=(1, 2)) / np.maximum(out.sum(axis=(1, 2)), _LEAST)
    return np.asarray(out * scale[:, None, None])


def gaussian_density(n: int, half: float) -> Floats:
    """Return the density (n, n) of the Gaussian on the grid, and that of tails."""
    x = np.linspace(-half, half, n)
    along = np.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi)
    return np.asarray(np.outer(along, along) + _FLOOR)


def mean_counts(sums: NDArray[np.int64]) -> Floats:
    """Return the counts (n, n) of `gaussian_density` at the pixels of sums (3, n, n)."""
    return np.asarray(sums[GAUSSIAN] / UNIT + _FLOOR * sums[EXPECTED] / UNIT)


class _Grid(NamedTuple):
    """Polynomials (6, n, n) on the grid, and its half size, widths."""

    terms: Floats
    half: float

    @property
    def shape(self) -> tuple[int, ...]:
        return self.terms.shape[1:]

    @classmethod
    def of(cls, n: int, half: float) -> _Grid:
        v, u = np.meshgrid(*2 * [np.linspace(-half, half, n)], indexing="ij")
        near = np.minimum(1.0, _FARTHEST / np.maximum(np.hypot(u, v), _LEAST))
        u, v = u * near, v * near
        return cls(np.stack([np.ones_like(u), u, v, u * u, u * v, v * v]), half)

    def smooth(self, values: Floats, width: float) -> Floats:
        """Return sums of values (n, n) under a Gaussian of height 1."""
        x = np.linspace(-self.half, self.half, len(values))
        kernel = np.exp(-0.5 * ((x[:, None] - x) / width) ** 2)
        return np.asarray(kernel @ values @ kernel)


def _profile(parent: Floats, sums: NDArray[np.int64], grid: _Grid, free: _Freedom) -> Floats:
    """Return the profile over the Gaussian's (n, n), of sums (3, n, n), from its parent's."""
    counts, gaussian = sums[COUNTS] / (UNIT * _DISPERSION), mean_counts(sums) / _DISPERSION
    tilted = parent * np.exp(_tilt(counts, gaussian * parent, grid, free))
    prior = free.factor**-2
    own = grid.smooth(counts, free.width) + prior
    return np.asarray(
        tilted * np.maximum(own / (grid.smooth(gaussian * tilted, free.width) + prior), 0.0)
    )


def _tilt(counts: Floats, expected: Floats, grid: _Grid, free: _Freedom) -> Floats:
    """Return the polynomial (n, n) of the most likely counts, by Newton's method.

    expected : (n, n), counts with a polynomial of 0.
    """
    terms = grid.terms.reshape(6, -1)
    ridge = np.diag(np.full(6, free.tilt**-2))
    theta = np.zeros(6)
    for _ in range(_STEPS):
        mean = expected.ravel() * np.exp(theta @ terms)
        slope = terms @ (counts.ravel() - mean) - ridge @ theta
        step = np.linalg.solve((terms * mean) @ terms.T + ridge, slope)
        theta = theta + step * min(1.0, _LONGEST / max(float(np.abs(step).max()), _LEAST))
    return np.asarray((theta @ terms).reshape(counts.shape))
