"""Priors of the parameters of stills, estimated from all of them.

Each parameter of a still is drawn from a normal distribution whose mean and width are those of the
stills (empirical Bayes): a parameter that the data of a still do not determine takes the mean, and
one that does not vary between stills becomes the same in all.
"""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats
from dxdask.merging.stills.fit import (
    B_FACTOR,
    MOSAIC,
    N_PARAMETERS,
    RADIUS,
    ROTATION,
    SCALE,
    STRETCH,
    TAIL,
)
from dxdask.merging.stills.parameters import PostRefinementParameters

_WIDTHS = {
    B_FACTOR: 1.0,
    RADIUS: 0.3,
    ROTATION: 5e-4,
    ROTATION + 1: 5e-4,
    STRETCH: 1e-3,
    TAIL: 0.3,
    MOSAIC: 3e-7,
}
_LEAST = {
    B_FACTOR: 0.05,
    RADIUS: 0.02,
    ROTATION: 1e-5,
    ROTATION + 1: 1e-5,
    STRETCH: 1e-5,
    TAIL: 0.05,
    MOSAIC: 1e-8,
}
# the means of the others are 0: by the choice of the merged intensities, or by symmetry
_OWN_MEAN = (RADIUS, STRETCH, TAIL, MOSAIC)
_FIXED = 1e30
FIRST_TAIL = 0.05  # share of the Lorentzian in the first cycle
_DEGREES_OF_FREEDOM = 5.0


def first_priors(radius: float, parameters: PostRefinementParameters) -> Floats:
    """Return the first priors (2, 8), mean and one over the variance; scales have none."""
    out = np.zeros((2, N_PARAMETERS))
    out[0, RADIUS] = np.log(radius)
    out[0, TAIL] = np.log(FIRST_TAIL if parameters.tail is None else parameters.tail)
    for k, width in _WIDTHS.items():
        out[1, k] = width**-2
    for k, free in _free(parameters).items():
        if not free:
            out[1, k] = _FIXED
    return out


def estimate_priors(
    theta: Floats, spread: Floats, old: Floats, parameters: PostRefinementParameters
) -> Floats:
    """Return the priors (2, 8) of parameters (stills, 8) with variances (stills, 8)."""
    out = old.copy()
    for k, free in _free(parameters).items():
        if not free:
            continue
        known = np.isfinite(spread[:, k])
        values, variances = theta[known, k], np.minimum(spread[known, k], 1.0 / old[1, k])
        if len(values) < 2:
            continue
        z2 = (values - old[0, k]) ** 2 * old[1, k]
        weight = (_DEGREES_OF_FREEDOM + 1.0) / (_DEGREES_OF_FREEDOM + z2)
        if k in _OWN_MEAN:
            out[0, k] = (weight * values).sum() / weight.sum()
        variance = (weight * ((values - out[0, k]) ** 2 + variances)).sum() / weight.sum()
        out[1, k] = 1.0 / max(variance, _LEAST[k] ** 2)
    return out


def _free(p: PostRefinementParameters) -> dict[int, bool]:
    return {
        B_FACTOR: p.b_factor,
        RADIUS: p.radius,
        ROTATION: p.orientation,
        ROTATION + 1: p.orientation,
        STRETCH: p.stretch,
        TAIL: p.tail is None,
        MOSAIC: p.mosaicity,
    }


def without_scale(theta: Floats) -> Floats:
    """Return the parameters with scales divided by their median."""
    out = theta.copy()
    out[:, SCALE] -= np.median(out[:, SCALE])
    return out
