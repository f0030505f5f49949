"""Refinement of beams, detectors and crystals against the centroids of indexed reflections.

refine : the step. parameters : its parameters. summary : its tables.
selection, outliers, mcd, c_steps : reflections to refine against, outliers among them.
parameterisation, model_parameterisations, cell, rotations : parameters of the models.
auto_reduction : models that too few reflections determine.
target, normal, engine : target function, its normal equations and their minimisation.
predict, geometry : predicted centroids of indexed reflections.
stills, metrology : the same for stills, and for the panels of a detector.
"""

from dxdask.refinement.parameters import RefinementParameters
from dxdask.refinement.refine import refine

__all__ = ["RefinementParameters", "refine"]
