"""Analyses of a detector: pixel histograms, linearity, gain and bad pixels.

histogram, linearity, gain, bad_pixels : the steps, in memory, of the commands `histogram`,
    `linearity`, `estimate_gain` and `find_bad_pixels`.
parameters : the parameters of each.
images : images, pixels and counts of a run that are used.
dispersion : variance over mean of the counts around each pixel.
pixel_evidence : counts per pixel, accumulated image by image.
pixel_verdict : bad pixels by these counts.
bad_pixel_groups : bad pixels of the runs of one detector.
bad_pixel_report : masks, tables and messages of `find_bad_pixels`.
"""

from typing import TYPE_CHECKING

from dxdask.analysis.parameters import (
    BadPixelParameters,
    GainParameters,
    HistogramParameters,
    LinearityParameters,
)
from dxdask.on_demand import on_demand

if TYPE_CHECKING:
    from dxdask.analysis.bad_pixels import find_bad_pixels
    from dxdask.analysis.gain import estimate_gain
    from dxdask.analysis.histogram import histogram
    from dxdask.analysis.linearity import linearity

__all__ = [
    "BadPixelParameters",
    "GainParameters",
    "HistogramParameters",
    "LinearityParameters",
    "estimate_gain",
    "find_bad_pixels",
    "histogram",
    "linearity",
]

on_demand(
    __name__,
    find_bad_pixels="bad_pixels",
    estimate_gain="gain",
    histogram="histogram",
    linearity="linearity",
)
