"""The centre of the scattering around the beam, on the mean image of a run.

Diffuse scattering is symmetric about the direct beam. Its projections on the axes of the detector
are too, whatever part of it the detector has (the methods of dials.search_beam_position on images:
https://autoed.readthedocs.io).
"""

from __future__ import annotations

import numpy as np
import scipy

from dxdask.arrays import Floats
from dxdask.errors import ConvergenceError
from dxdask.indexing.search_beam_position.parameters import Projection
from dxdask.models import Detector, Experiment

MOST_SMOOTHED = 0.2
"""Part of a projection that it is smoothed over, at most."""
FEWEST_GOOD = 0.25
"""Part of a bin that must have pixels that are measured."""
LARGEST_ANGLE = 0.05
"""Of panels taken as parallel, radian."""
HALF = 0.5
"""Part of the largest mean above the background from which on bins have weight."""
UNSEEN = "the scattering around the beam is not seen; use method=default"


def shift_on_image(
    image: Floats, experiment: Experiment, method: str, parameters: Projection
) -> Floats:
    """Return the shift (2,), mm along fast and slow of the first panel, of the beam centre.

    image : (slow, fast) of the stored frame, mean counts, NaN where none is measured. method :
    midpoint or maximum.

    Raises
    ------
    ConvergenceError
        The image has no maximum around which it is symmetric, or the detector is not flat.
    """
    detector, s0 = experiment.detector, experiment.beam.s0
    first, size = detector[0], parameters.bin_width
    plane, corner = on_one_plane(image, detector)
    bins = bin_means(plane, size, parameters.exclude_intensity_percent)
    place = size * (maximum(bins) if method == "maximum" else midpoint(bins, parameters)) + corner
    pixel = np.asarray(first.pixel_size)
    return np.asarray(place * pixel - first.ray_intersection(s0))


def on_one_plane(image: Floats, detector: Detector) -> tuple[Floats, Floats]:
    """Return the image (slow, fast) on the plane of the first panel, and its corner (2,), px.

    Panels are placed by whole pixels; NaN where there is none.

    Raises
    ------
    ConvergenceError
        Panels are not parallel to the first, within 3 degrees, or their pixels differ.
    """
    first = detector[0]
    pixel, axes = np.asarray(first.pixel_size), first.d_matrix[:, :2]
    corners = []
    for panel in detector.panels:
        along = axes.T @ panel.d_matrix[:, :2]
        if not np.allclose(along, np.eye(2), atol=LARGEST_ANGLE) or not np.allclose(
            panel.pixel_size, pixel
        ):
            raise ConvergenceError(
                f"panel {panel.name} is not parallel to {first.name}: methods on frames need a "
                "flat detector with pixels of one size; use method=default"
            )
        by = np.asarray(panel.origin) - np.asarray(first.origin)
        corners.append(np.rint(axes.T @ by / pixel).astype(np.int64))
    low = np.min(corners, axis=0)
    shapes = [panel.image_size for panel in detector.panels]
    high = np.max([c + s for c, s in zip(corners, shapes, strict=True)], axis=0)
    out = np.full((high - low)[::-1], np.nan)
    for panel, corner in zip(detector.panels, corners, strict=True):
        fast, slow = corner - low
        n_fast, n_slow = panel.image_size
        out[slow : slow + n_slow, fast : fast + n_fast] = image[panel.slices]
    return out, low.astype(np.float64)


def bin_means(image: Floats, size: int, percent: float) -> Floats:
    """Return the means (n_slow, n_fast) of square bins, without this percentage of each.

    image : (slow, fast), NaN where it is not measured. The strongest pixels are left out. NaN where
    less than a quarter of a bin is measured; bins are whole, from the first pixel on.

    Raises
    ------
    ConvergenceError
        No bin is measured.
    """
    n_slow, n_fast = (n // size for n in image.shape)
    whole = image[: n_slow * size, : n_fast * size].reshape(n_slow, size, n_fast, size)
    pixels = np.sort(whole.transpose(0, 2, 1, 3).reshape(n_slow, n_fast, size * size), axis=2)
    measured = np.isfinite(pixels).sum(axis=2)
    # NaN is sorted last
    keep = np.arange(size * size) < np.ceil(measured * (1.0 - percent / 100.0))[:, :, None]
    enough = measured >= np.maximum(FEWEST_GOOD * size * size, 1.0)
    if not enough.any():
        raise ConvergenceError(
            f"no square of projection.bin_width={size} pixels is measured: give a smaller one"
        )
    sums = np.where(keep, pixels, 0.0).sum(axis=2)
    return np.where(enough, sums / np.maximum(keep.sum(axis=2), 1), np.nan)


def midpoint(bins: Floats, parameters: Projection) -> Floats:
    """Return the place (2,), bins, fast and slow, midway between equal values of the projections.

    bins : (slow, fast), NaN where they are not measured.

    Raises
    ------
    ConvergenceError
        No level of a projection has two crossings on the panel.
    """
    return np.array([_middle(bins, axis, parameters) for axis in (0, 1)])


def _middle(bins: Floats, along: int, parameters: Projection) -> float:
    """Return the median middle of the outermost crossings of levels of a mean along an axis.

    Raises
    ------
    ConvergenceError
        See `midpoint`.
    """
    given = parameters.midpoint
    profile = _profile(bins, along, given.convolution_width // parameters.bin_width)
    low, high = float(profile.min()), float(profile.max())
    found = []
    for level in low + np.arange(*given.intersection_range) * (high - low):
        above = np.flatnonzero(profile >= level)
        first, last = int(above[0]), int(above[-1])
        if first == 0 or last == len(profile) - 1:
            continue
        left = first - (profile[first] - level) / (profile[first] - profile[first - 1])
        right = last + (profile[last] - level) / (profile[last] - profile[last + 1])
        if (right - left) * parameters.bin_width >= given.intersection_min_width:
            found.append((left + right) / 2.0)
    if not found:
        raise ConvergenceError(
            f"the mean over {('slow', 'fast')[along]} crosses no level of "
            f"projection.midpoint.intersection_range twice on the detector: {UNSEEN}"
        )
    return float(np.median(found)) + 0.5


def _profile(bins: Floats, along: int, width: int) -> Floats:
    """Return the mean (n,) of the measured bins along an axis, smoothed."""
    measured = np.isfinite(bins)
    counts = measured.sum(axis=along)
    line, places = np.where(measured, bins, 0.0).sum(axis=along), np.arange(len(counts))
    good = counts > 0
    profile = np.interp(places, places[good], line[good] / counts[good])
    size = min(width, int(MOST_SMOOTHED * len(profile))) | 1
    return np.asarray(scipy.ndimage.uniform_filter1d(profile, size, mode="nearest"))


def maximum(bins: Floats) -> Floats:
    """Return the place (2,), bins, fast and slow, of the largest values.

    bins : (slow, fast), NaN where they are not measured. The place is the centroid of what is above
    the middle of the median and the largest value.

    Raises
    ------
    ConvergenceError
        None is above the others.
    """
    background, largest = float(np.nanmedian(bins)), float(np.nanmax(bins))
    if not largest > background:
        raise ConvergenceError(f"the mean image is the same everywhere: {UNSEEN}")
    level = background + HALF * (largest - background)
    weight = np.where(np.isfinite(bins), np.maximum(bins - level, 0.0), 0.0)
    slow, fast = np.indices(bins.shape) + 0.5
    centroid: Floats = np.array([(weight * fast).sum(), (weight * slow).sum()]) / weight.sum()
    return centroid
