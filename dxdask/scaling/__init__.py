"""Scaling and merging: integrated reflections to unique intensities."""

from dxdask.scaling.merge import merge
from dxdask.scaling.parameters import MergingParameters, ScalingParameters
from dxdask.scaling.scale import scale

__all__ = ["MergingParameters", "ScalingParameters", "merge", "scale"]
