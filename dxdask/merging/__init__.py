"""Merging: unique reflections and merging statistics from scaled observations.

merge : the step.
parameters : its parameters.
by_wavelength : the step for each of several wavelengths.
equivalents : sums over the observations of each unique reflection, in two passes.
statistics : R factors and correlations of half-sets.
tables : merging statistics by resolution shell, and overall.
stills : merging of stills, with post-refinement.
"""

from typing import TYPE_CHECKING

from dxdask.merging.parameters import MergingParameters
from dxdask.on_demand import on_demand

if TYPE_CHECKING:
    from dxdask.merging.by_wavelength import merge_by_wavelength
    from dxdask.merging.merge import merge

__all__ = ["MergingParameters", "merge", "merge_by_wavelength"]

on_demand(__name__, merge_by_wavelength="by_wavelength", merge="merge")
