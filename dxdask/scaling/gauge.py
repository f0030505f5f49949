"""What equivalents do not determine of the scales: their mean, and the mean B factor."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats, Mask
from dxdask.scaling.design import Design
from dxdask.scaling.model import ScalingModel
from dxdask.scaling.variables import Variables


def without_mean_decay(
    model: ScalingModel, design: Design, variables: Variables, p: Floats, information: Floats
) -> tuple[Floats, Floats]:
    """Return the parameters (m,) less the mean of all B factors, and the factors of the scales.

    information : (n,) of each observation in the fit, (g <I>)^2 / v, by which the mean is weighted:
    the B factors are relative to the data that determine them best.
    """
    part = model.part("decay") or model.part("relative_B")
    total = float(information.sum())
    if part is None or total <= 0.0:
        return p, np.ones(len(variables.d))
    s2 = 1.0 / (2.0 * variables.d**2)
    only = np.zeros_like(p)
    only[part] = p[part]
    b = np.log(design.scales(only)) / s2
    shift = float((information * b).sum() / total)
    new = p.copy()
    new[part] -= shift
    return new, np.exp(-shift * s2)


def log_mean_scale(g: Floats, used: Mask) -> float:
    """Return the logarithm of the mean scale of the observations (n,) in use; 0 of none."""
    return float(np.log(g[used].mean())) if used.any() else 0.0
