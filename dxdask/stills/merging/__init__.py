"""Merging of stills: settings, scales, partialities, post-refinement, statistics."""

from dxdask.stills.merging.ambiguity import Resolved, resolve_ambiguity
from dxdask.stills.merging.merge import MergedStills, merge_stills
from dxdask.stills.merging.parameters import StillsMergingParameters

__all__ = [
    "MergedStills",
    "Resolved",
    "StillsMergingParameters",
    "merge_stills",
    "resolve_ambiguity",
]
