"""Flags and columns of summed intensities, of sweeps and stills alike."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Mask
from dxdask.columns import Flag, Reflections

Counts = NDArray[np.int64]


class PixelCounts(NamedTuple):
    """Numbers of pixels of n reflections.

    Attributes
    ----------
    foreground : (n,) valid pixels. background : (n,) pixels that the background is of.
    invalid, saturated, overlapped : (n,) of the foreground: masked or untrusted, at or above the
    trusted range, shared with other reflections. background_bad : (n,) masked or untrusted.
    """

    foreground: Counts
    background: Counts
    invalid: Counts
    saturated: Counts
    overlapped: Counts
    background_bad: Counts


def summed_columns(
    pixels: PixelCounts,
    *,
    intensity: Floats,
    variance: Floats,
    background_mean: Floats,
    background_sum: Floats,
    background_sum_variance: Floats,
) -> Reflections:
    """Return the columns of the summed intensities of n reflections, but for their flags."""
    return {
        "intensity_sum": intensity,
        "intensity_sum_variance": variance,
        "background_mean": background_mean,
        "background_sum": background_sum,
        "background_sum_variance": background_sum_variance,
        "n_foreground": pixels.foreground.astype(np.int32),
        "n_background": pixels.background.astype(np.int32),
        "n_invalid": pixels.invalid.astype(np.int32),
        "n_saturated": pixels.saturated.astype(np.int32),
    }


def summation_flags(pixels: PixelCounts, has_background: Mask) -> NDArray[np.uint32]:
    """Return the flags (n,) that summation sets.

    A reflection with an invalid or saturated pixel of foreground, without any foreground or without
    a background is not flagged as integrated.
    """
    bad, saturated = pixels.invalid > 0, pixels.saturated > 0
    good = has_background & ~bad & ~saturated & (pixels.foreground > 0)
    flags = np.zeros(len(good), dtype=np.uint32)
    for rows, bit in (
        (good, Flag.INTEGRATED_SUM),
        (~good, Flag.FAILED_DURING_SUMMATION),
        (~has_background, Flag.FAILED_DURING_BACKGROUND_MODELLING),
        (saturated, Flag.OVERLOADED),
        (bad, Flag.FOREGROUND_INCLUDES_BAD_PIXELS),
        (pixels.background_bad > 0, Flag.BACKGROUND_INCLUDES_BAD_PIXELS),
        (pixels.overlapped > 0, Flag.OVERLAPPED_FG),
    ):
        flags[rows] |= np.uint32(bit)
    return flags
