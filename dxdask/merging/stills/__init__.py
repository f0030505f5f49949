"""Merging of stills: unique reflections and merging statistics, with post-refinement.

merge : the step.
parameters : its parameters.
observations, excitation : observations that are fitted, and their excitation errors.
ambiguity, assignment : the indexing ambiguity of the stills, resolved.
cycles : cycles of post-refinement.
start : parameters of the stills before the first cycle.
fit, partiality, priors : fit of each still to the merged intensities.
means, wilson : merged intensities and their prior.
model_error : error of the modelled partialities.
rejection : stills that do not agree with the others.
statistics, tables : merging statistics, and tables of the cycles and the stills.
"""

from typing import TYPE_CHECKING

from dxdask.merging.stills.parameters import StillsMergingParameters
from dxdask.on_demand import on_demand

if TYPE_CHECKING:
    from dxdask.merging.stills.merge import merge_stills

__all__ = ["StillsMergingParameters", "merge_stills"]

on_demand(__name__, merge_stills="merge")
