"""Outliers among equivalents, and intensities too strong for Wilson statistics.

`outliers_of_groups`: the deviation of each observation from the weighted mean of the others of its
group (the "standard" rejection of DIALS; Evans 2006, Acta Cryst. D62, 72); the worst of a group is
rejected if it is above z_max, and the others are tested again. A pair is kept, as either may be
wrong, unless it is left of three or more and still disagrees; then both are rejected. Weights come
from the median of the group, which outliers do not move.
`too_strong`: normalised intensity E^2 beyond Wilson statistics (Read 1999, Acta Cryst. D55, 1759).
"""

from __future__ import annotations

import gemmi
import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models.symmetry import epsilon
from dxdask.scaling.error_model import ErrorModel
from dxdask.scaling.observations import Observations

_SHELL = 2000


@njit(cache=True, nogil=True, error_model="numpy")
def _reject(  # type: ignore[no-untyped-def]
    offsets, intensity, counts, variance, g, experiment, errors, z_max, use, weight, buffer, out
):
    for h in range(len(offsets) - 1):
        lo, hi = offsets[h], offsets[h + 1]
        n_judged = 0
        while True:
            n = 0
            for i in range(lo, hi):
                if use[i] and not out[i]:
                    buffer[n] = intensity[i] / g[i]
                    n += 1
            n_judged = max(n, n_judged)
            if n < 2 or n_judged < 3:
                break
            buffer[:n].sort()
            middle = 0.5 * (buffer[(n - 1) // 2] + buffer[n // 2])
            top, bottom = 0.0, 0.0
            for i in range(lo, hi):
                if use[i] and not out[i]:
                    a, b = errors[experiment[i], 0], errors[experiment[i], 1]
                    e = g[i] * middle
                    weight[i] = 1.0 / (
                        a * a * (variance[i] + counts[i] * max(e, 0.0) + b * b * e * e)
                    )
                    top += weight[i] * g[i] * intensity[i]
                    bottom += weight[i] * g[i] * g[i]
            worst, z_worst = -1, z_max * z_max
            for i in range(lo, hi):
                if use[i] and not out[i]:
                    a, b = errors[experiment[i], 0], errors[experiment[i], 1]
                    others = bottom - weight[i] * g[i] * g[i]
                    mean = (top - weight[i] * g[i] * intensity[i]) / others
                    e = g[i] * mean
                    v = (
                        a
                        * a
                        * (variance[i] + counts[i] * max(e, abs(intensity[i])) + b * b * e * e)
                    )
                    z2 = (intensity[i] - e) ** 2 / (v + g[i] * g[i] / others)
                    if z2 > z_worst:
                        worst, z_worst = i, z2
            if worst < 0:
                break
            out[worst] = True
            if n == 2:
                for i in range(lo, hi):
                    out[i] = use[i]
                break


def outliers_of_groups(
    obs: Observations, g: Floats, use: NDArray[np.bool_], model: ErrorModel, *, z_max: float
) -> NDArray[np.bool_]:
    """Return the outliers (n,) among the observations.

    Parameters
    ----------
    obs : n observations.
    g : (n,) scales.
    use : (n,) observations that are tested and in the means.
    model : of the errors.
    z_max : largest deviation, in standard deviations.
    """
    out = np.zeros(len(obs), dtype=np.bool_)
    buffer = np.empty(int(np.diff(obs.offsets).max(initial=0)))
    weight = np.empty(len(obs))
    errors = model.by_experiment
    if errors is None:
        errors = np.tile([model.a, model.b], (int(obs.experiment.max(initial=0)) + 1, 1))
    _reject(
        obs.offsets,
        obs.intensity,
        obs.counts,
        obs.variance,
        g,
        obs.experiment,
        errors,
        z_max,
        use,
        weight,
        buffer,
        out,
    )
    return out


def too_strong(
    obs: Observations,
    g: Floats,
    use: NDArray[np.bool_],
    group: gemmi.SpaceGroup,
    *,
    e_max: float,
    z_max: float,
) -> NDArray[np.bool_]:
    """Return the observations (n,) with E^2 = I / (epsilon <I>) > e_max^2 and I > z_max sigma.

    <I> is the mean of resolution shells of at least 2000 observations, so that one hot pixel does
    not determine it.
    """
    if e_max == 0 or not use.any():
        return np.zeros(len(obs), dtype=np.bool_)
    scaled = obs.intensity / g / epsilon(obs.hkl, group)[obs.group]
    order = np.argsort(-obs.d[obs.group], kind="stable")
    order = order[use[order]]
    n_shells = max(len(order) // _SHELL, 1)
    limit = np.full(len(obs), np.inf)
    for rows in np.array_split(order, n_shells):
        limit[rows] = e_max**2 * max(float(scaled[rows].mean()), 0.0)
    sigma = np.sqrt(obs.variance + obs.counts * np.abs(obs.intensity)) / g
    return np.asarray(use & (scaled > limit) & (obs.intensity / g > z_max * sigma))
