"""Outliers among spots and stills, by the scatter of the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Mask

CUT = 4.685
LARGEST_SIZE = 8
INNER, WITHIN = 0.4, 0.95
_MEDIAN_OF_RAYLEIGH = float(np.sqrt(2 * np.log(2)))
_MEDIAN_OF_NORMAL = 0.6744897501960817


def position_scales(
    residuals: Floats, size: NDArray[np.int64], still: NDArray[np.int64], n_stills: int
) -> Floats:
    """Return the standard deviations (n, 3) of x, y (mm) and delta psi (rad) of each spot.

    It falls as the spot grows, like 1 / min(size, LARGEST_SIZE): on simulated shots 0.38 px for 2
    pixels, 0.26 for 3, 0.16 for 5, 0.10 for 7, 0.09 for 10. Its size is found from
    the median over the spots of the still, as lengths of position residuals follow a Rayleigh
    distribution; so stills are independent.

    size : (n,) pixels of each spot. still : (n,) in ascending order.
    """
    reach = np.minimum(size, LARGEST_SIZE)
    length = np.hypot(residuals[:, 0], residuals[:, 1]) * reach
    positions = _medians(length, still, n_stills) / _MEDIAN_OF_RAYLEIGH
    angles = _medians(np.abs(residuals[:, 2]) * reach, still, n_stills) / _MEDIAN_OF_NORMAL
    out = np.stack([positions, positions, angles], axis=1)[still] / reach[:, None]
    return np.maximum(out, 1e-9)


def _medians(values: Floats, group: NDArray[np.int64], n_groups: int) -> Floats:
    """Return the median of each group (groups,), 0 where it is empty."""
    order = np.lexsort((values, group))
    counts = np.bincount(group, minlength=n_groups)
    first = np.cumsum(counts) - counts
    out = np.zeros(n_groups)
    full = counts > 0
    low, high = first + (counts - 1) // 2, first + counts // 2
    out[full] = 0.5 * (values[order[low[full]]] + values[order[high[full]]])
    return out


def rayleigh_inliers(lengths: Floats, group: NDArray[np.int64], n_groups: int) -> Mask:
    """Return true for residuals (n,) that are no outliers of their group.

    A Rayleigh distribution is fitted to the shortest 40 % of the lengths (n,); those beyond 95 %
    of it are outliers (Sauter & Poon 2010, J. Appl. Cryst. 43, 611). RMSDs are
    calculated so in DIALS; a fit needs no such limit, see `robust_weights`.
    """
    order = np.lexsort((lengths, group))
    counts = np.bincount(group, minlength=n_groups)
    inner = np.cumsum(counts) - counts + np.maximum((INNER * counts).astype(np.int64) - 1, 0)
    limit = np.zeros(n_groups)
    full = counts > 0
    limit[full] = lengths[order[inner[full]]] * np.sqrt(np.log(1 - WITHIN) / np.log(1 - INNER))
    return np.asarray(lengths <= limit[group])


def robust_weights(residuals: Floats, scales: Floats) -> Floats:
    """Return Tukey's biweight (n,) of each spot: 1 at no residual, 0 from `CUT` sigma on.

    Centroids have longer tails than a normal distribution, so weights decrease
    before they vanish (Beaton & Tukey 1974, Technometrics 16, 147); so do those of angles.
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
    """Return true for stills (n,) with RMSDs up to Q3 + multiplier (Q3 - Q1)."""
    low, high = np.nanquantile(rmsds, [0.25, 0.75])
    return np.asarray(rmsds <= high + iqr_multiplier * (high - low))
