"""What a detector did: pixel histograms and linearity."""

from dxdask.analysis.histogram import histogram
from dxdask.analysis.linearity import linearity
from dxdask.analysis.parameters import HistogramParameters, LinearityParameters

__all__ = ["HistogramParameters", "LinearityParameters", "histogram", "linearity"]
