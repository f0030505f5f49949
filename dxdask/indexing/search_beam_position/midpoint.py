"""The middle between equal values of the scattering, in bands of an image.

The scattering is symmetric about the beam in each band of rows alone, so bands that agree show
that it is, and those with a shadow, a beam stop or its arm differ.
"""

from __future__ import annotations

import numpy as np
import scipy

from dxdask.arrays import Floats
from dxdask.indexing.search_beam_position.axis_centre import (
    LEAST_CONTRAST,
    ROBUST,
    AxisCentre,
    noise_of,
    not_found,
)
from dxdask.indexing.search_beam_position.parameters import Projection

N_BANDS = 16
FEWEST_BANDS = 4
LEAST_MEASURED = 0.75
"""Part of a row of bins that must be measured."""
MOST_SMOOTHED = 0.2
"""Part of a row that it is smoothed over, at most."""
LEAST_LEVELS = 0.25
"""Part of the levels that must be crossed on both sides."""


def midpoint(bins: Floats, parameters: Projection) -> AxisCentre:
    """Return the coordinate along rows, midway between equal values on both sides.

    bins : (n_rows, n), mean counts of squares, NaN where they are not measured.

    The place of a band is that of the half of its levels that agree best, the place of all the
    median of bands. The uncertainty has the scatter of bands, by that of their median, and that of
    levels, which all bands may share.
    """
    places, widths, seen = [], [], 0
    for rows in np.array_split(bins, min(N_BANDS, len(bins))):
        profile = _profile(rows)
        if profile is None:
            continue
        smooth, edge = _smoothed(profile, parameters)
        height = float(np.ptp(smooth[edge : len(smooth) - edge]))
        noise = noise_of(profile) / np.sqrt(2 * edge + 1)
        if not height > max(LEAST_CONTRAST * noise, 0.0):
            continue
        seen += 1
        found = _middles(smooth, edge, parameters)
        if found is not None:
            place, width = _best_half(found)
            places.append((place + 0.5) * parameters.bin_width)
            widths.append(width * parameters.bin_width)
    bands = f"of {min(N_BANDS, len(bins))} bands"
    if seen < FEWEST_BANDS:
        return not_found(f"the scattering stands out of the noise in {seen} {bands}")
    if len(places) < max(FEWEST_BANDS, seen / 2.0):
        return not_found(
            f"the scattering falls off on both sides in {len(places)} of {seen} bands where it is "
            "seen"
        )
    place = float(np.median(places))
    scatter = ROBUST * float(np.median(np.abs(np.array(places) - place)))
    uncertainty = float(np.hypot(scatter / np.sqrt(len(places)), np.median(widths)))
    low, high = np.percentile(places, (25, 75))
    return AxisCentre(
        place, uncertainty, f"{len(places)} bands, the middle half from {low:.1f} to {high:.1f}"
    )


def _profile(rows: Floats) -> Floats | None:
    """Return the mean (n,) of rows of bins (k, n), gaps interpolated.

    Rows with less than three quarters measured are left out; None where there are no others.
    """
    measured = np.isfinite(rows)
    used = measured.mean(axis=1) >= LEAST_MEASURED
    if not used.any():
        return None
    places = np.arange(rows.shape[1])
    lines = [
        np.interp(places, places[m], row[m])
        for row, m in zip(rows[used], measured[used], strict=True)
    ]
    return np.asarray(np.mean(lines, axis=0))


def _smoothed(profile: Floats, parameters: Projection) -> tuple[Floats, int]:
    """Return a profile (n,) smoothed, and how many bins at its ends lack neighbours."""
    width = parameters.midpoint.convolution_width // parameters.bin_width
    size = min(width, int(MOST_SMOOTHED * len(profile))) | 1
    return np.asarray(scipy.ndimage.uniform_filter1d(profile, size, mode="nearest")), size // 2


def _middles(profile: Floats, edge: int, parameters: Projection) -> Floats | None:
    """Return the middles (m,), bins, of the outermost crossings of levels; None if too few."""
    given = parameters.midpoint
    inner = profile[edge : len(profile) - edge]
    low, high = float(inner.min()), float(inner.max())
    levels = low + np.arange(*given.intersection_range) * (high - low)
    found = []
    for level in levels:
        above = np.flatnonzero(inner >= level)
        first, last = int(above[0]), int(above[-1])
        if first == 0 or last == len(inner) - 1:
            continue
        left = first - (inner[first] - level) / (inner[first] - inner[first - 1])
        right = last + (inner[last] - level) / (inner[last] - inner[last + 1])
        if (right - left) * parameters.bin_width >= given.intersection_min_width:
            found.append((left + right) / 2.0 + edge)
    return np.array(found) if len(found) >= max(LEAST_LEVELS * len(levels), 1) else None


def _best_half(values: Floats) -> tuple[float, float]:
    """Return the mean of the shortest half of values, and half its width.

    Andrews et al. (1972), Robust Estimates of Location: the shorth.
    """
    ordered = np.sort(values)
    half = len(values) // 2 + 1
    widths = ordered[half - 1 :] - ordered[: len(values) - half + 1]
    first = int(np.argmin(widths))
    return float(ordered[first : first + half].mean()), float(widths[first]) / 2.0
