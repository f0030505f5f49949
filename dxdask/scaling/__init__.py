"""Scaling: integrated reflections of all runs on one scale."""

from dxdask.scaling.parameters import ScalingParameters
from dxdask.scaling.scale import scale

__all__ = ["ScalingParameters", "scale"]
