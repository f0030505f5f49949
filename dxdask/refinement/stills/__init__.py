"""Refinement of stills: the crystal of each against its own spots.

refine_stills : orientation and cell of each crystal. parameters : its parameters.
measurements, problem : spots of stills as arrays, and the least squares of them.
nave : domain size and mosaicity of each crystal.
"""

from dxdask.refinement.stills.parameters import StillRefinementParameters
from dxdask.refinement.stills.refine_stills import refine_stills

__all__ = ["StillRefinementParameters", "refine_stills"]
