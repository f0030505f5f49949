"""Refinement of beams, detectors and crystals against the centroids of indexed reflections.

refine : the step. parameters : its parameters. summary, parameter_tables : its tables.
selection, outliers, mcd, c_steps : reflections to refine against, outliers among them.
parameterise, auto_reduction : free parameters of sweeps, and models that too few reflections
    determine.
sweeps, scan_varying : least squares of sweeps, and crystals that are to vary along their scans.
problem, least_squares, models : the core: reflections, models, normal equations, minimisation.
predict, geometry : predicted centroids of indexed reflections.
still_outliers, stills, metrology : the same for stills, and for the panels of a detector.
modules : modules that are out of place in a panel of the header.
"""

from typing import TYPE_CHECKING

from dxdask.on_demand import on_demand
from dxdask.refinement.parameters import RefinementParameters

if TYPE_CHECKING:
    from dxdask.refinement.refine import refine

__all__ = ["RefinementParameters", "refine"]

on_demand(__name__, refine="refine")
