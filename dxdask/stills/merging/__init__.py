"""Merging of stills: scales, partialities, post-refinement, statistics."""

from dxdask.stills.merging.merge import MergedStills, merge_stills
from dxdask.stills.merging.parameters import StillsMergingParameters

__all__ = ["MergedStills", "StillsMergingParameters", "merge_stills"]
