"""How wrong the modelled partiality is: from the scatter about what other stills say.

The standard deviation dp of the partiality is found in bins of the distance from the Ewald sphere
(in standard deviations), over all stills, times a factor for each still. It is a scale of Student's
t distribution, by the fixed point of its maximum likelihood, beside what counting and the merged
intensity explain.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.stills.merging.observations import Observations

Floats = NDArray[np.float64]

EDGES = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0])
FIRST = 0.1  # of dp, before anything is known
_LEAST = 1e-3
_ROUNDS = 10
_PRIOR_OF_STILL = 20.0  # observations that say that a still is like the others
_FACTORS = (0.3, 5.0)


class ModelError(NamedTuple):
    """dp: bins (b,) and the factor of each still (stills,)."""

    bins: Floats
    factors: Floats

    def of(self, u: Floats, still: NDArray[np.int64]) -> Floats:
        """Return dp (n,) of observations at u standard deviations."""
        return np.asarray(self.bins[np.searchsorted(EDGES, np.abs(u))] * self.factors[still])


def first_error(n_stills: int) -> ModelError:
    """Return the error to begin with."""
    return ModelError(np.full(len(EDGES) + 1, FIRST), np.ones(n_stills))


class Scatter(NamedTuple):
    """Residuals (n,) about what the others say, and what of their square is expected.

    Attributes
    ----------
    square : of y - p F. known : its variance without the model's error. by_error : how the
    variance grows with dp^2.
    """

    square: Floats
    known: Floats
    by_error: Floats

    def z2(self, dp: Floats) -> Floats:
        """Return squared residuals over their variances (n,)."""
        return np.asarray(self.square / (self.known + dp**2 * self.by_error))


def scatter_of(
    o: Observations, scale: Floats, fraction: Floats, other: Floats, other_variance: Floats,
    leverage: Floats,
) -> Scatter:  # fmt: skip
    """Return the residuals of observations about the intensities that the others give.

    leverage : (n,) how much of an observation's error the fit of its still took away.
    """
    residual = o.intensity / scale - fraction * other
    known = (o.variance + o.slope * scale * fraction * other) / scale**2
    known += fraction**2 * other_variance
    return Scatter(residual**2 / (1.0 - leverage), known, other**2 + other_variance)


def estimate_error(
    scatter: Scatter, u: Floats, still: NDArray[np.int64], start: ModelError, nu: float
) -> ModelError:
    """Return dp that makes the scatter what is expected. nu : degrees of freedom of the t."""
    place, n_bins = np.searchsorted(EDGES, np.abs(u)), len(EDGES) + 1
    n_stills = len(start.factors)
    bins, factors = start.bins**2, start.factors**2
    for _ in range(_ROUNDS):
        share, chi = _terms(scatter, bins[place] * factors[still], nu)
        bins = bins * _ratio(share, chi, place, n_bins)
        bins = np.maximum(bins, _LEAST**2)
        share, chi = _terms(scatter, bins[place] * factors[still], nu)
        # what the scatter says of one still counts as much as it is determined by dp
        known = np.bincount(still, weights=share**2, minlength=n_stills)
        ratio = factors * _ratio(share, chi, still, n_stills)
        factors = (_PRIOR_OF_STILL + known * ratio) / (_PRIOR_OF_STILL + known)
        common = np.exp(np.mean(np.log(factors)))
        bins = bins * common
        factors = np.clip(factors / common, _FACTORS[0] ** 2, _FACTORS[1] ** 2)
    return ModelError(np.sqrt(bins), np.sqrt(factors))


def _terms(scatter: Scatter, dp2: Floats, nu: float) -> tuple[Floats, Floats]:
    """Return the share of dp^2 in the variance (n,), and robust squared residuals over that."""
    by_error = dp2 * scatter.by_error
    variance = scatter.known + by_error
    z2 = scatter.square / variance
    return by_error / variance, z2 * (nu + 1.0) / (nu + z2)


def _ratio(share: Floats, chi: Floats, group: NDArray[np.int64], n: int) -> Floats:
    """Return by what to multiply variances (n,) of groups: 1 where the likelihood is highest."""
    top = np.bincount(group, weights=share * chi, minlength=n)
    bottom = np.bincount(group, weights=share, minlength=n)
    return np.divide(top, bottom, out=np.ones(n), where=bottom > 0)
