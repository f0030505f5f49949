"""Refinement of stills: the crystal of each against its own spots.

refine_stills : orientation and cell of each crystal. parameters : its parameters.
measurements, problem : spots of stills as arrays, and the least squares of them.
nave : domain size and mosaicity of each crystal.
"""

from typing import TYPE_CHECKING

from dxdask.on_demand import on_demand
from dxdask.refinement.stills.parameters import StillRefinementParameters

if TYPE_CHECKING:
    from dxdask.refinement.stills.refine_stills import refine_stills

__all__ = ["StillRefinementParameters", "refine_stills"]

on_demand(__name__, refine_stills="refine_stills")
