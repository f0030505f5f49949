"""Merging of stills: settings, scales, partialities, post-refinement, statistics.

merge : the step. observations, excitation : what is fitted. ambiguity, assignment : stills brought
    to one setting.
cycles : stills fitted and merged in turn, from what start says. fit, partiality, priors : of the
    stills. means, wilson : of the intensities. model_error : how far partialities are off.
rejection : stills that do not agree with the others. statistics, tables : what is shown.
"""

from dxdask.merging.stills.ambiguity import Resolved, resolve_ambiguity
from dxdask.merging.stills.merge import MergedStills, merge_stills
from dxdask.merging.stills.parameters import StillsMergingParameters

__all__ = [
    "MergedStills",
    "Resolved",
    "StillsMergingParameters",
    "merge_stills",
    "resolve_ambiguity",
]
