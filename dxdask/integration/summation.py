"""Integrated intensities from the sums over pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections
from dxdask.integration.boxes import Ellipsoids
from dxdask.integration.sums import (
    COUNTS,
    COUNTS_X,
    COUNTS_Y,
    COUNTS_Z,
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
    """Return the predictions with what was measured of each.

    I = counts - n_fg b and variance |I| + n_fg b (1 + n_fg / n_bg), b the background of a pixel.
    Where a foreground pixel is masked, untrusted or saturated, or there is no background, the
    intensity is not flagged as integrated; numbers are given where they can be.
    """
    n = len(predicted["panel"])
    s = np.zeros((n, N_SUMS), dtype=np.int64)
    background, n_background = np.full(n, np.nan), np.zeros(n, dtype=np.int64)
    s[sums.rows], background[sums.rows], n_background[sums.rows] = (
        sums.sums,
        sums.background,
        sums.n_background,
    )
    known = np.isfinite(background)
    mean = np.where(known, background, 0.0)
    n_foreground = s[:, N_FOREGROUND]
    under = mean * n_foreground
    intensity = np.where(known, s[:, COUNTS] - under, 0.0)
    ratio = n_foreground / np.maximum(n_background, 1)
    variance = np.where(known, np.abs(intensity) + np.abs(under) * (1.0 + ratio), 0.0)
    return (
        predicted
        | _centroids(predicted, s, mean, intensity, variance, shapes, detector)
        | {
            "flags": predicted["flags"] | _flags(s, known),
            "intensity_sum": intensity,
            "intensity_sum_variance": variance,
            "background_mean": mean,
            "background_sum": under,
            "background_sum_variance": np.abs(under) * (1.0 + ratio),
            "n_foreground": n_foreground.astype(np.int32),
            "n_background": n_background.astype(np.int32),
            "n_invalid": s[:, N_INVALID].astype(np.int32),
            "n_saturated": s[:, N_SATURATED].astype(np.int32),
        }
    )


def _flags(s: NDArray[np.int64], known: NDArray[np.bool_]) -> NDArray[np.uint32]:
    bad, saturated = s[:, N_INVALID] > 0, s[:, N_SATURATED] > 0
    good = known & ~bad & ~saturated & (s[:, N_FOREGROUND] > 0)
    flags = np.zeros(len(s), dtype=np.uint32)
    for rows, bit in (
        (good, Flag.INTEGRATED_SUM),
        (~good, Flag.FAILED_DURING_SUMMATION),
        (~known, Flag.FAILED_DURING_BACKGROUND_MODELLING),
        (saturated, Flag.OVERLOADED),
        (bad, Flag.FOREGROUND_INCLUDES_BAD_PIXELS),
        (s[:, N_BACKGROUND_BAD] > 0, Flag.BACKGROUND_INCLUDES_BAD_PIXELS),
        (s[:, N_OVERLAPPED] > 0, Flag.OVERLAPPED_FG),
    ):
        flags[rows] |= np.uint32(bit)
    return flags


def _centroids(
    predicted: Reflections,
    s: NDArray[np.int64],
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
        # noise under a weak spot may pull the centre out of its box: that is no position
        inside = seen & (centre >= corner[:, axis]) & (centre <= corner[:, axis] + width)
        out[name] = np.where(inside, centre, predicted[f"{name}_cal"])
    return out
