"""What a detector did: pixel histograms, linearity, gain and bad pixels."""

from dxdask.analysis.bad_pixels import find_bad_pixels
from dxdask.analysis.gain import estimate_gain
from dxdask.analysis.histogram import histogram
from dxdask.analysis.linearity import linearity
from dxdask.analysis.parameters import (
    BadPixelParameters,
    GainParameters,
    HistogramParameters,
    LinearityParameters,
)

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
