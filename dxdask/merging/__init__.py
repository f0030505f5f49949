"""Merging: scaled reflections to unique intensities."""

from dxdask.merging.merge import merge
from dxdask.merging.parameters import MergingParameters

__all__ = ["MergingParameters", "merge"]
