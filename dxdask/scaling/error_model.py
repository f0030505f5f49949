"""Error model of scaled intensities: v = a^2 (sigma^2 + (b I)^2).

The model is the basic one of DIALS (Beilstein-Edmands et al. 2020, Acta Cryst. D76, 385). a and b
are found by maximum likelihood rather than from a normal probability plot and binned variances: for
the deviation r of an observation from the mean of its group, which has the variance v (1 - h) with
h its own share in the mean, minimise sum [log(v (1 - h)) + r^2 / (v (1 - h))]. I is g <I>, not the
observation itself, so that v does not depend on the sign of its error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.scaling.observations import Observations
from dxdask.scaling.parameters import BasicErrorModelParameters

START_B = 0.02
_FEWEST = 100
LARGEST_B = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorModel:
    """Parameters of v = a^2 (sigma^2 + (b I)^2).

    by_experiment : (n_experiments, 2) a and b of each, where they are not the same for all.
    """

    a: float = 1.0
    b: float = START_B
    by_experiment: Floats | None = None

    def of(self, experiment: NDArray[np.int32]) -> tuple[Floats | float, Floats | float]:
        """Return a and b, of observations of these experiments (n,)."""
        if self.by_experiment is None:
            return self.a, self.b
        return self.by_experiment[experiment, 0], self.by_experiment[experiment, 1]

    def variance(self, obs: Observations, expected: Floats) -> Floats:
        """Return the variance (n,) of `obs.intensity` for true values `expected` (n,) = g <I>."""
        a, b = self.of(obs.experiment)
        out = np.maximum(expected, 0.0)
        out *= obs.counts
        out += obs.variance
        out += (b * expected) ** 2
        out *= a**2
        return np.asarray(out)


@njit(cache=True, nogil=True, error_model="numpy")
def _likelihood(r2, base, strength2, left, b):  # type: ignore[no-untyped-def]
    """Return the most likely a^2 for b, and minus two log likelihood per observation there."""
    chi2, log_sum = 0.0, 0.0
    for i in range(len(r2)):
        u = (base[i] + b * b * strength2[i]) * left[i]
        chi2 += r2[i] / u
        log_sum += np.log(u)
    a2 = chi2 / len(r2)
    return a2, np.log(a2) + log_sum / len(r2)


@njit(cache=True, nogil=True, error_model="numpy")
def _likelihood_of(r2, base, strength2, left, a2, b):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(len(r2)):
        u = a2 * (base[i] + b * b * strength2[i]) * left[i]
        total += r2[i] / u + np.log(u)
    return total / len(r2)


def shares(obs: Observations, weight: Floats, g: Floats) -> Floats:
    """Return h (n,), the share (0 to 1) of each observation in the mean of its group."""
    w = weight * g * g
    total = np.add.reduceat(w, obs.offsets[:-1]) if len(w) else w
    return np.divide(w, total[obs.group], out=np.zeros_like(w), where=total[obs.group] > 0)


def refine_error_model(
    obs: Observations,
    *,
    weight: Floats,
    g: Floats,
    mean: Floats,
    parameters: BasicErrorModelParameters,
) -> tuple[ErrorModel, list[dict[str, Any]]]:
    """Return the error model of these observations and the rows of its table.

    Parameters
    ----------
    obs : n observations.
    weight : (n,) of the observations in `mean`; 0 for those rejected.
    g : (n,) scales.
    mean : (n_groups,)
    """
    expected = g * mean[obs.group]
    share = shares(obs, weight, g)
    use = (weight > 0) & (share < 0.95) & (share > 0)
    strong = use & (mean[obs.group] > parameters.min_Ih)
    # data on a small scale have few means above min_Ih: then the stronger half is used
    if strong.sum() < _FEWEST and use.any():
        strong = use & (mean[obs.group] >= np.median(mean[obs.group][use]))
    if strong.sum() < _FEWEST:
        return ErrorModel(
            a=parameters.a or 1.0, b=START_B if parameters.b is None else parameters.b
        ), []
    r2 = (obs.intensity - expected)[strong] ** 2
    base = (obs.variance + obs.counts * np.maximum(expected, 0.0))[strong]
    strength2, left = expected[strong] ** 2, 1.0 - share[strong]
    a, b = _best(r2, base, strength2, left, parameters)
    before = r2 / (base * left)
    after = r2 / (a**2 * (base + b**2 * strength2) * left)
    del r2, base, strength2, left, expected, share
    return ErrorModel(a=a, b=b), _bins(mean[obs.group][strong], before, after, parameters.n_bins)


def refine_by_experiment(
    obs: Observations,
    found: ErrorModel,
    *,
    weight: Floats,
    g: Floats,
    mean: Floats,
    parameters: BasicErrorModelParameters,
    n_experiments: int,
) -> ErrorModel:
    """Return an error model with a and b of each experiment; those of `found` where data are few.

    Arguments as in `refine_error_model`, which gave `found`.
    """
    values = np.tile([found.a, found.b], (n_experiments, 1))
    counts = np.bincount(obs.experiment[weight > 0], minlength=n_experiments)
    expected = g * mean[obs.group]
    share = shares(obs, weight, g)
    strong = (weight > 0) & (share < 0.95) & (share > 0)
    strong &= mean[obs.group] > parameters.min_Ih
    order = np.argsort(obs.experiment, kind="stable")
    order = order[strong[order]]
    bounds = np.searchsorted(obs.experiment[order], np.arange(n_experiments + 1))
    for i in np.flatnonzero(counts):
        rows = order[bounds[i] : bounds[i + 1]]
        if len(rows) < _FEWEST:
            continue
        base = obs.variance[rows] + obs.counts[rows] * np.maximum(expected[rows], 0.0)
        r2 = (obs.intensity[rows] - expected[rows]) ** 2
        values[i] = _best(r2, base, expected[rows] ** 2, 1.0 - share[rows], parameters)
    return replace(found, by_experiment=values)


def _best(
    r2: Floats, base: Floats, strength2: Floats, left: Floats, parameters: BasicErrorModelParameters
) -> tuple[float, float]:
    if parameters.a is None:

        def objective(root: float) -> float:
            return float(_likelihood(r2, base, strength2, left, root**2)[1])
    else:
        fixed = parameters.a**2

        def objective(root: float) -> float:
            return float(_likelihood_of(r2, base, strength2, left, fixed, root**2))

    b = parameters.b
    if b is None:
        found = scipy.optimize.minimize_scalar(
            objective, bounds=(0.0, LARGEST_B**0.5), method="bounded", options={"xatol": 1e-4}
        )
        b = float(found.x) ** 2 if float(found.fun) < objective(0.0) else 0.0
    a2 = (
        parameters.a**2
        if parameters.a is not None
        else _likelihood(r2, base, strength2, left, b)[0]
    )
    return float(np.sqrt(a2)), float(b)


def _bins(strength: Floats, before: Floats, after: Floats, n_bins: int) -> list[dict[str, Any]]:
    top, bottom = float(strength.max()), float(max(strength.min(), strength.max() * 1e-6))
    edges = np.geomspace(top, bottom, n_bins + 1)
    place = np.clip(np.searchsorted(-edges, -strength, side="right") - 1, 0, n_bins - 1)
    count = np.bincount(place, minlength=n_bins)
    sums = [np.bincount(place, weights=v, minlength=n_bins) for v in (before, after)]
    return [
        {
            "i_max": float(edges[k]),
            "i_min": float(edges[k + 1]),
            "n": int(count[k]),
            "uncorrected_variance": float(sums[0][k] / count[k]),
            "corrected_variance": float(sums[1][k] / count[k]),
        }
        for k in range(n_bins)
        if count[k]
    ]
