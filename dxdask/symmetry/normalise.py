"""Normalised intensities: over the mean at their resolution, direction and part of the scan.

The mean is of observations as they come, of each crystal by itself and in P1, since the symmetry is
not known yet, and without their errors, since only strong shells are used. `truncation.prior` fits
that of merged intensities of a known space group, down to the weakest, with errors.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.symmetry.intensities import Intensities

PER_SHELL = 200
MOST_SHELLS = 40
PER_BLOCK = 200
MOST_BLOCKS = 60
FEWEST_FOR_DIRECTIONS = 3000
_STEPS = 20


def normalise(data: Intensities, d: Floats, method: str) -> Intensities:
    """Return intensities and sigmas over the expected mean intensity, each crystal by itself.

    quasi: the mean of shells of resolution, then of parts of the scan, each interpolated: decay
    and absorption that vary slowly along the scan do not count. ml_aniso: also exp(-h beta h^T),
    beta (6 elements) by maximum likelihood for intensities of exponential distribution.
    """
    if method == "None":
        return data
    scale = np.ones(len(data))
    for part in _runs_of(data.experiment + (data.crystal << 32)):
        mean = shell_means(data.intensity[part], d[part])
        if method == "ml_aniso" and part.stop - part.start >= FEWEST_FOR_DIRECTIONS:
            mean = mean * direction_means(data.intensity[part] / mean, data.hkl[part])
        mean = mean * scan_means(data.intensity[part] / mean, data.z[part])
        scale[part] = mean
    return replace(data, intensity=data.intensity / scale, sigma=data.sigma / scale)


def _runs_of(values: NDArray[np.int64]) -> list[slice]:
    edges = np.flatnonzero(np.diff(values)) + 1
    return [slice(int(i), int(j)) for i, j in zip([0, *edges], [*edges, len(values)], strict=True)]


def _interpolated_means(values: Floats, at: Floats, n_bins: int, least: float) -> Floats:
    """Return means (n,) of bins of equal counts along a coordinate, interpolated linearly."""
    order = np.argsort(at, kind="stable")
    bins = np.array_split(order, n_bins)
    centre = np.array([at[b].mean() for b in bins])
    mean = np.maximum([values[b].mean() for b in bins], least)
    return np.asarray(np.exp(np.interp(at, centre, np.log(mean))))


def shell_means(intensity: Floats, d: Floats) -> Floats:
    """Return the mean intensity (n,) at the resolution of each reflection, positive."""
    n = int(np.clip(len(intensity) // PER_SHELL, 1, MOST_SHELLS))
    overall = float(np.abs(intensity).mean()) or 1.0
    return _interpolated_means(intensity, 1.0 / d**2, n, 1e-4 * overall)


def scan_means(x: Floats, z: Floats) -> Floats:
    """Return the mean normalised intensity (n,) at the part of the scan of each reflection."""
    n = int(np.clip(len(x) // PER_BLOCK, 1, MOST_BLOCKS))
    return _interpolated_means(x, z, n, 0.02)


def direction_means(x: Floats, hkl: NDArray[np.int64]) -> Floats:
    """Return exp(c - h beta h^T) (n,), the mean by direction that maximises the likelihood.

    The likelihood is that of an exponential distribution; Newton steps of expected information,
    halved while they are too long.
    """
    h = hkl / np.maximum(np.abs(hkl).max(axis=0), 1)
    design = np.column_stack([
        np.ones(len(h)), h**2, h[:, 0] * h[:, 1], h[:, 0] * h[:, 2], h[:, 1] * h[:, 2],
    ])  # fmt: skip
    information = design.T @ design + 1e-3 * len(h) * np.diag([0.0, *[1e-3] * 6])
    found = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        mean = np.exp(design @ found)
        step = np.linalg.solve(information, design.T @ (x / mean - 1.0))
        found += step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-3:
            break
    return np.asarray(np.exp(design @ found))
