"""Spots and stills that do not fit: told by the scatter of the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

CUT = 4.685
LARGEST_SIZE = 10
FEWEST = 50
_MEDIAN_OF_RAYLEIGH = float(np.sqrt(2 * np.log(2)))
_MEDIAN_OF_NORMAL = 0.6744897501960817


def position_scales(residuals: Floats, size: NDArray[np.int64]) -> Floats:
    """Return (n, 3) the standard deviation of x, y (mm) and delta psi (rad) of each spot.

    It is that of the spots of its size, by the median: a centroid of two pixels is four times
    as uncertain as one of eight. size : (n,) pixels of each spot. Lengths of position residuals
    follow a Rayleigh distribution. Too few spots of a size have the scatter of all.
    """
    length, angle = np.hypot(residuals[:, 0], residuals[:, 1]), np.abs(residuals[:, 2])
    group = np.minimum(size, LARGEST_SIZE)
    out = np.empty((len(size), 3))
    for i in np.unique(group):
        own = group == i
        of = own if own.sum() >= FEWEST else np.ones_like(own)
        out[own, :2] = np.median(length[of]) / _MEDIAN_OF_RAYLEIGH
        out[own, 2] = np.median(angle[of]) / _MEDIAN_OF_NORMAL
    return np.maximum(out, 1e-9)


def robust_weights(residuals: Floats, scales: Floats) -> Floats:
    """Return Tukey's biweight (n,) of each spot: 1 where it fits, 0 from `CUT` sigma on.

    Centroids have longer tails than a normal distribution, so what lies far out counts less before
    it counts nothing (Beaton & Tukey 1974, Technometrics 16, 147). Angles count likewise.
    """
    length = np.hypot(residuals[:, 0], residuals[:, 1]) / scales[:, 0]
    angle = np.abs(residuals[:, 2]) / scales[:, 2]
    far = np.minimum(np.maximum(length, angle) / CUT, 1.0)
    return np.asarray((1.0 - far**2) ** 2)


def still_rmsds(residuals: Floats, used: Mask, still: NDArray[np.int64], n: int) -> Floats:
    """Return the RMSD (stills,) of the lengths of position residuals, mm; NaN where no spots."""
    squares = np.bincount(still[used], weights=(residuals[used, :2] ** 2).sum(axis=1), minlength=n)
    counts = np.bincount(still[used], minlength=n)
    return np.sqrt(squares / np.where(counts, counts, np.nan))


def well_fitting(rmsds: Floats, iqr_multiplier: float) -> Mask:
    """Return which stills are not beyond Q3 + multiplier (Q3 - Q1) of the RMSDs (n,)."""
    low, high = np.nanquantile(rmsds, [0.25, 0.75])
    return np.asarray(rmsds <= high + iqr_multiplier * (high - low))
