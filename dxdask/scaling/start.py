"""Scales at which the fit starts, those too small to be used, and means of scaled intensities."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats, Mask
from dxdask.scaling.error_model import ErrorModel
from dxdask.scaling.fit import group_means
from dxdask.scaling.model import ScalingModel
from dxdask.scaling.observations import Observations

_REWEIGHTINGS = 3  # of means by the variances expected from them


def start_of(model: ScalingModel, obs: Observations, unit: float) -> Floats:
    """Return parameters with each experiment's scale at its mean intensity, and nothing else.

    unit : intensity that scales are relative to.
    """
    n = model.n_experiments
    strength = np.bincount(obs.experiment, weights=obs.intensity, minlength=n)
    counts = np.bincount(obs.experiment, minlength=n)
    mean = np.divide(strength, counts * unit, out=np.zeros(n), where=counts > 0)
    log = np.where(mean > 0, np.log(np.where(mean > 0, mean, 1.0)), np.nan)
    log = np.nan_to_num(log, nan=float(np.nanmean(log)) if np.isfinite(log).any() else 0.0)
    return np.where(model.is_level, log[model.owners], 0.0)


def faint(obs: Observations, g: Floats, cutoff: float) -> Mask:
    """Return the observations (n,) whose scale is below `cutoff` times the median of their run."""
    out = np.zeros(len(obs), dtype=np.bool_)
    order = np.argsort(obs.experiment, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(obs.experiment[order])) + 1):
        out[rows] = g[rows] < cutoff * np.median(g[rows])
    return out


def expected_means(
    obs: Observations, g: Floats, use: Mask, errors: ErrorModel, mean: Floats
) -> Floats:
    """Return means (n_groups,) weighted by the variances expected from the means themselves."""
    for _ in range(_REWEIGHTINGS):
        weight = np.where(use, 1.0 / errors.variance(obs, g * mean[obs.group]), 0.0)
        mean, _ = group_means(obs.offsets, weight, g, obs.intensity)
    return mean
