"""Scales at which the fit starts, and those too small to be used."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats, Mask
from dxdask.scaling.model import ScalingModel
from dxdask.scaling.observations import Observations


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
