"""Integration of sweeps: intensities of predicted reflections, by summation and profile fitting.

integrate : the step.
parameters : its parameters.
prediction : reflections that a scan records, with what integrates them.
profile_model, widths : widths of the reflections, from strong spots.
local_profile, regions : centres and widths of strong spots over the detector.
boxes : boxes and ellipsoids of foreground around the reflections.
context : constants of a run that every block of frames shares.
blocks, accumulate, foreground, sums : sums over the pixels of each reflection, block by block.
background : background under a reflection, a robust Poisson mean.
summation, summed_columns : summed intensities.
gaussian, profile_fit, calibration : profile-fitted intensities.
learnt_profile : profiles learnt from strong reflections, from `profile_sums`.
profile_comparison : how they and the Gaussian fit.
corrections : Lorentz, polarisation and absorption corrections, and partialities.
result, summary : result of a run and of several, with its tables.
stills : integration of stills.
"""

from typing import TYPE_CHECKING

from dxdask.integration.parameters import IntegrationParameters
from dxdask.on_demand import on_demand

if TYPE_CHECKING:
    from dxdask.integration.integrate import integrate

__all__ = ["IntegrationParameters", "integrate"]

on_demand(__name__, integrate="integrate")
