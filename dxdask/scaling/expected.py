"""Intensities expected of observations, for their variances."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats, Mask
from dxdask.scaling.error_model import ErrorModel
from dxdask.scaling.fit import group_means
from dxdask.scaling.observations import Observations, median_at_resolution

_REWEIGHTINGS = 4  # of means by the variances expected from them
_SHELL = 500  # unique reflections of similar resolution


def expected_means(
    obs: Observations, g: Floats, variance: Floats, use: Mask, errors: ErrorModel
) -> tuple[Floats, Floats]:
    """Return means (n_groups,), and the variances (n,) expected from them, which weight them.

    variance : (n,) to begin with. use : (n,).
    """
    for _ in range(_REWEIGHTINGS):
        weight = np.where(use, 1.0 / variance, 0.0)
        mean, information = group_means(obs.offsets, weight, g, obs.intensity)
        expected = nearest_to_truth(mean, information, obs.d)
        variance = errors.variance(obs, g * expected[obs.group])
    return mean, variance


def nearest_to_truth(mean: Floats, information: Floats, d: Floats) -> Floats:
    """Return intensities (n,) with the least expected error, from means and their resolution.

    A variance that follows from an intensity's own mean is too small where the mean is too small,
    and the other way round: weak intensities seem to be off, and mostly too small. Before the data
    an intensity is the mean of its resolution, S, with the variance S^2 of acentric ones (Wilson
    1949, Acta Cryst. 2, 318); the two are averaged by their information.

    Parameters
    ----------
    mean : (n,). information : (n,), 1 / variance of the means; 0 without observations.
    d : (n,), Angstrom.
    """
    seen = np.flatnonzero(information > 0)
    if not len(seen):
        return np.zeros(len(mean))
    shells = np.array_split(seen[np.argsort(-d[seen], kind="stable")], max(len(seen) // _SHELL, 1))
    at = np.array([-d[rows].mean() for rows in shells])
    prior = np.maximum(np.interp(-d, at, [float(mean[rows].mean()) for rows in shells]), 0.0)
    weight = prior**2 * information
    out = prior.copy()
    np.divide(weight * mean + prior, weight + 1.0, out=out, where=information > 0)
    return np.maximum(out, 0.0)


def expected_of_others(obs: Observations, g: Floats, variance: Floats, outlier: Mask) -> Floats:
    """Return intensities (n,) expected from the other equivalents, or from those of similar d.

    g : (n,) scales. variance : (n,) of the intensities. outlier : (n,), which are left out.
    """
    norm = np.where(outlier, 0.0, g / variance)
    own = norm * obs.intensity
    norm *= g
    total, others = _of_others(obs, own), _of_others(obs, norm)
    # without equivalents, the remainder is rounding
    alone = others <= 1e-9 * norm
    expected = np.divide(total, others, out=total, where=~alone)
    expected *= g
    del own, norm, others  # not in memory beside the temporary arrays of the medians
    return np.where(alone, median_at_resolution(obs, g), expected)


def _of_others(obs: Observations, values: Floats) -> Floats:
    """Return the sums (n,) of values (n,) over the other observations of the group."""
    out = np.add.reduceat(values, obs.offsets[:-1])[obs.group]
    out -= values
    return np.asarray(out)
