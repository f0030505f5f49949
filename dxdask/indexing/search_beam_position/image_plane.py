"""The mean image of a run on one plane, and the means of squares of its pixels."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import ConvergenceError
from dxdask.models import Detector

FEWEST_GOOD = 0.5
"""Part of a bin that must have pixels that are measured."""
LARGEST_ANGLE = 0.05
"""Of panels taken as parallel, radian."""


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
    less than half of a bin is measured; bins are whole, from the first pixel on.

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
