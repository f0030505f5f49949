"""Scaling: integrated reflections of all runs on one scale, with corrected errors.

scale : the step.
parameters : its parameters.
observations, intensities : observations grouped by symmetry, with summed and fitted intensities.
model : scale and relative B factor, smooth along the scan.
fit : fit of the model, Gauss-Newton with conjugate gradients.
rounds : rounds of fitting, outlier rejection and error correction.
outliers : outliers among equivalents.
error_model : errors corrected by the scatter of equivalents.
"""

from dxdask.scaling.parameters import ScalingParameters
from dxdask.scaling.scale import scale

__all__ = ["ScalingParameters", "scale"]
