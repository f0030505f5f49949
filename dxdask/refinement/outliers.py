"""Outliers among the centroids, by their residuals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from dxdask.arrays import Floats, Mask
from dxdask.refinement.mcd import robust_distances
from dxdask.refinement.parameters import Mcd, Outlier, Tukey
from dxdask.refinement.still_outliers import rayleigh_inliers


def tukey_outliers(residuals: Floats, parameters: Tukey) -> Mask:
    """Return true for rows (n,) of residuals (n, 3) with one beyond Tukey's fences."""
    low, high = np.quantile(residuals, [0.25, 0.75], axis=0)
    reach = parameters.iqr_multiplier * (high - low)
    return np.asarray(((residuals < low - reach) | (residuals > high + reach)).any(axis=1))


def mcd_outliers(residuals: Floats, parameters: Mcd) -> Mask:
    """Return true for rows (n,) of residuals (n, 3) beyond the robust ellipsoid."""
    limit = scipy.special.chdtri(3, 1.0 - parameters.threshold_probability)
    distances = robust_distances(residuals, alpha=parameters.alpha, n_trials=parameters.n_trials)
    return np.asarray(distances > limit)


def sauter_poon_outliers(residuals: Floats) -> Mask:
    """Return true for rows (n,) of residuals (n, 3) far from their prediction in the plane.

    See `dxdask.refinement.still_outliers.rayleigh_inliers`.
    """
    lengths = np.hypot(residuals[:, 0], residuals[:, 1])
    return ~rayleigh_inliers(lengths, np.zeros(len(lengths), np.int64), 1)


def centroid_outliers(
    residuals: Floats,
    experiment: NDArray[Any],
    panel: NDArray[Any],
    phi: Floats,
    parameters: Outlier,
) -> Mask:
    """Return true for centroids (n,) that are outliers of their group.

    residuals: (n, 3) observed - calculated, mm, mm, rad. experiment, panel: (n,) integers.
    phi: (n,) observed angle, rad. Groups are experiments, panels and blocks of phi, by the
    parameters; all of a group that is too small are outliers.
    """
    out = np.zeros(len(residuals), dtype=bool)
    if parameters.algorithm is None:
        return out
    for rows in _groups(experiment, panel, phi, parameters):
        if len(rows) < parameters.minimum_number_of_reflections:
            out[rows] = True
        elif parameters.algorithm == "tukey":
            out[rows] = tukey_outliers(residuals[rows], parameters.tukey)
        elif parameters.algorithm == "sauter_poon":
            out[rows] = sauter_poon_outliers(residuals[rows])
        else:
            out[rows] = mcd_outliers(residuals[rows], parameters.mcd)
    return out


def _groups(
    experiment: NDArray[Any], panel: NDArray[Any], phi: Floats, parameters: Outlier
) -> Iterator[NDArray[np.int64]]:
    group = np.zeros(len(phi), dtype=np.int64)
    if parameters.separate_experiments:
        group += experiment
    if parameters.separate_panels:
        group = group * (int(panel.max(initial=0)) + 1) + panel
    _, which, counts = np.unique(group, return_inverse=True, return_counts=True)
    order = np.argsort(which, kind="stable")
    for rows in np.split(order, np.cumsum(counts)[:-1]):
        if not len(rows):
            continue
        if not parameters.separate_blocks:
            yield rows
            continue
        block = _phi_blocks(phi[rows], np.deg2rad(parameters.block_width))
        for k in range(int(block.max()) + 1):
            yield rows[block == k]


def _phi_blocks(phi: Floats, width: float) -> NDArray[np.int64]:
    """Return the block (n,) of each angle: equal blocks of about `width`."""
    low, span = float(phi.min()), float(np.ptp(phi))
    n_blocks = max(1, round(span / width))
    if span == 0.0:
        return np.zeros(len(phi), dtype=np.int64)
    return np.minimum(((phi - low) / (span / n_blocks)).astype(np.int64), n_blocks - 1)
