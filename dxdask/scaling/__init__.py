"""Scaling: integrated reflections of all runs on one scale, with corrected errors.

scale : the step.
parameters : its parameters.
observations, intensities : observations grouped by symmetry, with summed and fitted intensities.
model : components of the scales of all experiments together.
components, array_model, harmonics : scale, relative B factor, grids, absorption.
dose, image_scales : decay with dose, factors of images; dose_table, image_scales_table : of these.
cells : whether cells are those of one crystal form.
groups : experiments that have a crystal or a detector in common.
design, blocks, fit : derivatives, preconditioner, Gauss-Newton with conjugate gradients.
start, gauge : scales at the start, and what equivalents do not determine of them.
reference : reference intensities in the fit.
rounds, scaled : rounds of fitting, outlier rejection and error correction; their result.
expected : intensities expected from the other equivalents.
free_set : agreement of observations that are left out of the fit.
delta_cc_half, filtering : runs and images whose omission improves CC1/2, and their exclusion.
outliers : outliers among equivalents.
failures, reports : why reflections are not scaled; what is said of the result.
error_model : errors corrected by the scatter of equivalents.
"""

from typing import TYPE_CHECKING

from dxdask.on_demand import on_demand
from dxdask.scaling.parameters import ScalingParameters

if TYPE_CHECKING:
    from dxdask.scaling.scale import scale

__all__ = ["ScalingParameters", "scale"]

on_demand(__name__, scale="scale")
