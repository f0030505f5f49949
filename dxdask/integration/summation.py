"""Summed intensities of sweeps, from the sums over pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Reflections
from dxdask.integration.boxes import Ellipsoids
from dxdask.integration.summed_columns import PixelCounts, summation_flags, summed_columns
from dxdask.integration.sums import (
    COUNTS,
    COUNTS_X,
    COUNTS_Y,
    COUNTS_Z,
    EXCESS,
    N_BACKGROUND_BAD,
    N_FOREGROUND,
    N_INVALID,
    N_OVERLAPPED,
    N_SATURATED,
    N_SUMS,
    PIXELS_X,
    PIXELS_Y,
    PIXELS_Z,
    PixelSums,
)
from dxdask.models import Detector


def summed(
    predicted: Reflections, sums: PixelSums, shapes: Ellipsoids, detector: Detector
) -> Reflections:
    """Return the predictions with their summed intensities, backgrounds and centroids.

    I = photons - n_fg b and variance |I| + n_fg b (1 + n_fg / n_bg), b the background of a pixel,
    and the excess of the variance of photons that were restored for the dead time.
    A reflection is not flagged as integrated if a foreground pixel is masked, untrusted or
    saturated, or if there is no background; numbers are given as far as they are known.
    """
    n = len(predicted["panel"])
    s = np.zeros((n, N_SUMS))
    background, n_background = np.full(n, np.nan), np.zeros(n, dtype=np.int64)
    s[sums.rows], background[sums.rows], n_background[sums.rows] = (
        sums.sums,
        sums.background,
        sums.n_background,
    )
    known = np.isfinite(background)
    mean = np.where(known, background, 0.0)
    pixels = _pixel_counts(s, n_background)
    under: Floats = np.asarray(mean * pixels.foreground, dtype=np.float64)
    intensity = np.where(known, s[:, COUNTS] - under, 0.0)
    under_variance = np.abs(under) * (1.0 + pixels.foreground / np.maximum(n_background, 1))
    variance = np.where(known, np.abs(intensity) + under_variance + s[:, EXCESS], 0.0)
    return (
        predicted
        | _centroids(predicted, s, mean, intensity, variance, shapes, detector)
        | {"flags": predicted["flags"] | summation_flags(pixels, known)}
        | summed_columns(
            pixels,
            intensity=intensity,
            variance=variance,
            background_mean=mean,
            background_sum=under,
            background_sum_variance=under_variance,
        )
    )


def _pixel_counts(sums: Floats, n_background: NDArray[np.int64]) -> PixelCounts:
    s = sums.astype(np.int64)
    return PixelCounts(
        foreground=s[:, N_FOREGROUND],
        background=n_background,
        invalid=s[:, N_INVALID],
        saturated=s[:, N_SATURATED],
        overlapped=s[:, N_OVERLAPPED],
        background_bad=s[:, N_BACKGROUND_BAD],
    )


def _centroids(
    predicted: Reflections,
    s: Floats,
    mean: Floats,
    intensity: Floats,
    variance: Floats,
    shapes: Ellipsoids,
    detector: Detector,
) -> Reflections:
    """Return columns x, y, z: centres of the counts, as predicted where I < sigma."""
    offset = np.array([p.offset for p in detector.panels])[predicted["panel"]]
    corner = shapes.box[:, [0, 2, 4]].astype(np.float64)
    corner[:, :2] -= offset
    seen = intensity > np.sqrt(variance)
    safe = np.where(seen, intensity, 1.0)
    out: Reflections = {}
    for axis, (name, first, pixels) in enumerate(
        (("x", COUNTS_X, PIXELS_X), ("y", COUNTS_Y, PIXELS_Y), ("z", COUNTS_Z, PIXELS_Z))
    ):
        centre = corner[:, axis] + 0.5 + (s[:, first] - mean * s[:, pixels]) / safe
        width = shapes.box[:, 2 * axis + 1] - shapes.box[:, 2 * axis]
        # the noise of a weak spot may move the centre out of its box
        inside = seen & (centre >= corner[:, axis]) & (centre <= corner[:, axis] + width)
        out[name] = np.where(inside, centre, predicted[f"{name}_cal"])
    return out
