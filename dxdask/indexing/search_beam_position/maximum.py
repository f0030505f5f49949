"""The centroid of the strongest scattering of an image."""

from __future__ import annotations

import numpy as np
import scipy

from dxdask.arrays import Floats
from dxdask.indexing.search_beam_position.axis_centre import (
    LEAST_CONTRAST,
    AxisCentre,
    noise_of,
    not_found,
)
from dxdask.indexing.search_beam_position.parameters import Projection

LEVELS = (0.3, 0.4, 0.5, 0.6, 0.7)
"""Parts of the height of the scattering above which bins have weight."""
FEWEST_LEVELS = 3
FEWEST_BINS = 9
"""Bins above a level around the maximum: fewer may be a group of spots."""
SMOOTHED = 3
"""Bins of the median that is taken in both directions."""


def maximum(bins: Floats, parameters: Projection) -> AxisCentre:
    """Return the coordinate along rows of the centroid of what is above a level, at the maximum.

    bins : (n_rows, n), mean counts of squares, NaN where they are not measured.

    The place is the median over levels. The uncertainty has the scatter of levels, which differ
    where a shadow or an edge takes a side, and that of counts.
    """
    smooth = scipy.ndimage.median_filter(filled(bins), SMOOTHED, mode="nearest")
    background, largest = float(np.median(smooth)), float(np.max(smooth))
    height, noise = largest - background, noise_of(bins)
    if not height > max(LEAST_CONTRAST * noise / SMOOTHED, 0.0):
        return not_found(
            f"the largest mean is {height:.3g} counts above the median, with {noise:.2g} of noise"
        )
    found, errors = [], []
    for part in LEVELS:
        centroid = _centroid(smooth, background + part * height, noise)
        if centroid is not None:
            found.append(centroid[0] * parameters.bin_width)
            errors.append(centroid[1] * parameters.bin_width)
    if len(found) < FEWEST_LEVELS:
        return not_found("the scattering above half of its maximum is too narrow, or cut off")
    low, high = min(found), max(found)
    uncertainty = float(np.hypot((high - low) / 2.0, np.median(errors)))
    return AxisCentre(
        float(np.median(found)), uncertainty, f"{len(found)} levels, from {low:.1f} to {high:.1f}"
    )


def filled(bins: Floats) -> Floats:
    """Return bins (n_rows, n) with gaps interpolated, along the shorter way across more.

    Linear along rows and along columns; what has no measured bin on both sides of either takes the
    median.
    """
    known = [_across(bins), tuple(x.T for x in _across(bins.T))]
    weights = [np.where(gap > 0, 1.0 / np.maximum(gap, 1.0) ** 2, 0.0) for _, gap in known]
    total = weights[0] + weights[1]
    sums = sum(w * value for w, (value, _) in zip(weights, known, strict=True))
    between = np.where(total > 0, sums / np.where(total > 0, total, 1.0), np.nanmedian(bins))
    return np.asarray(np.where(np.isfinite(bins), bins, between))


def _across(bins: Floats) -> tuple[Floats, Floats]:
    """Return bins interpolated along rows, and the length of the gap, 0 where it has one side."""
    places = np.arange(bins.shape[1])
    values, gaps = np.zeros(bins.shape), np.zeros(bins.shape)
    for row, value, gap in zip(bins, values, gaps, strict=True):
        at = np.flatnonzero(np.isfinite(row))
        if len(at) < 2:
            continue
        value[:] = np.interp(places, at, row[at])
        after = np.searchsorted(at, places).clip(1, len(at) - 1)
        inside = (places >= at[0]) & (places <= at[-1])
        gap[inside] = (at[after] - at[after - 1])[inside]
    return values, gaps


def _centroid(smooth: Floats, level: float, noise: float) -> tuple[float, float] | None:
    """Return the centroid along rows, bins, of what is above a level, and its standard deviation.

    The region around the largest value; None where it reaches an edge, or has few bins.
    """
    labels, _ = scipy.ndimage.label(smooth > level, np.ones((3, 3)))
    mine = labels == labels[np.unravel_index(np.argmax(smooth), smooth.shape)]
    edge = mine[[0, -1]].any() or mine[:, [0, -1]].any()
    if edge or np.count_nonzero(mine) < FEWEST_BINS:
        return None
    weight = np.where(mine, smooth - level, 0.0)
    column = np.indices(smooth.shape)[1] + 0.5
    place = float((weight * column).sum() / weight.sum())
    variance = noise**2 * float(((column - place)[mine] ** 2).sum())
    return place, float(np.sqrt(variance) / weight.sum())
