"""Integration of stills: summed intensities of the reflections near the Ewald sphere.

integrate : the step.
parameters : its parameters.
context : constants of a run that its stills share.
block : the stills of a block of frames.
still, summation, shapes : reflections of one still, and the sums over their pixels.
adaptive, width : widths of the reflections, from their own intensities.
panel_shifts, extents : positions and sizes of the indexed spots against their predictions.
background, shadows : background of a spot, and the shadow of the beam stop.
"""

from typing import TYPE_CHECKING

from dxdask.integration.stills.parameters import StillIntegrationParameters
from dxdask.on_demand import on_demand

if TYPE_CHECKING:
    from dxdask.integration.stills.integrate import integrate_stills

__all__ = ["StillIntegrationParameters", "integrate_stills"]

on_demand(__name__, integrate_stills="integrate")
