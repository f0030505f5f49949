"""Errors of modelled partialities, from the scatter about the means of other observations.

The variance of the partiality p(u), u standard deviations from the Ewald sphere, is a sum of three
parts, times a factor for each still: one goes with p (errors of the scale and of summation), one is
that of a lattice point rotated by a small angle, which moves it the farther the higher its
resolution, one goes with the tail. Each is estimated over all stills by the fixed point of the
maximum of its posterior, as the scale of Student's t distribution beside the variances of counting
and of the merged intensity. Its prior is the accuracy of the best models of partiality: with few
stills, the bright observations that determine an error are followed by the parameters of the
stills.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.merging.stills.observations import StillObservations
from dxdask.prediction.stills.spread import TAIL_WIDTH

FIRST = np.array([0.1, 1.3e-4, 0.02])
"""Relative, rad, and of the tail: standard deviations of the first cycle."""
USUAL = np.array([0.02, 2.7e-5, 0.01])
"""The same of an accurate model, the mean of the prior."""
_PRIOR = 100.0  # weight of the prior of the parts, in observations
_ROUNDS = 10
_PRIOR_OF_STILL = 20.0  # weight of the prior factor 1 of a still, in observations
_FACTORS = (0.3, 5.0)


class ModelError(NamedTuple):
    """Standard deviations of the three parts (3,) and the factor of each still (stills,)."""

    parts: Floats
    factors: Floats

    def of(self, u: Floats, lever: Floats, still: NDArray[np.int64]) -> Floats:
        """Return dp (n,) of observations at u standard deviations; lever : see `Model`."""
        return np.asarray(np.sqrt(self.parts**2 @ _shapes(u, lever)) * self.factors[still])


def between(old: ModelError, new: ModelError) -> ModelError:
    """Return the geometric mean of two errors.

    It damps the oscillation of errors and fits where few stills overlap.
    """
    return ModelError(np.sqrt(old.parts * new.parts), np.sqrt(old.factors * new.factors))


def first_error(n_stills: int) -> ModelError:
    """Return the error of the first cycle."""
    return ModelError(FIRST.copy(), np.ones(n_stills))


def _shapes(u: Floats, lever: Floats) -> Floats:
    """Return the variance of each part (3, n), for a standard deviation of 1."""
    gaussian2 = np.exp(-(u**2))
    tail = 1.0 / (1.0 + (u / TAIL_WIDTH) ** 2)
    return np.stack([gaussian2, (u * lever) ** 2 * gaussian2, tail**2])


class Scatter(NamedTuple):
    """Residuals (n,) about the means of the other observations, and their expected squares.

    Attributes
    ----------
    square : of y - p F. known : its variance without the model's error. by_error : derivative of
    the variance with respect to dp^2.
    """

    square: Floats
    known: Floats
    by_error: Floats

    def z2(self, dp: Floats) -> Floats:
        """Return squared residuals over their variances (n,)."""
        return np.asarray(self.square / (self.known + dp**2 * self.by_error))


def scatter_of(
    o: StillObservations, scale: Floats, fraction: Floats, other: Floats, other_variance: Floats,
    leverage: Floats,
) -> Scatter:  # fmt: skip
    """Return the residuals of observations about the means of the others.

    leverage : (n,) of each observation in the fit of its still.
    """
    residual = o.intensity / scale - fraction * other
    known = (o.variance + o.slope * scale * fraction * other) / scale**2
    known += fraction**2 * other_variance
    return Scatter(residual**2 / (1.0 - leverage), known, other**2 + other_variance)


def estimate_error(
    scatter: Scatter, u: Floats, lever: Floats, still: NDArray[np.int64], start: ModelError,
    nu: float,
) -> ModelError:  # fmt: skip
    """Return the error model that explains the scatter; nu : degrees of freedom of Student's t."""
    shapes, n_stills = _shapes(u, lever), len(start.factors)
    parts, factors = start.parts**2, start.factors**2
    for _ in range(_ROUNDS):
        each = parts[:, None] * shapes
        dp2 = each.sum(axis=0)
        share, chi = _terms(scatter, dp2 * factors[still], nu)
        own = each * (share / dp2)
        known = own.sum(axis=1)
        parts = (_PRIOR * USUAL**2 + parts * (own @ chi)) / (_PRIOR + known)
        share, chi = _terms(scatter, (parts @ shapes) * factors[still], nu)
        # weighted by the share of dp in the variance
        of_still = np.bincount(still, weights=share, minlength=n_stills)
        seen = np.bincount(still, weights=share * chi, minlength=n_stills)
        factors = (_PRIOR_OF_STILL + factors * seen) / (_PRIOR_OF_STILL + of_still)
        common = np.exp(np.mean(np.log(factors)))
        parts = parts * common
        factors = np.clip(factors / common, _FACTORS[0] ** 2, _FACTORS[1] ** 2)
    return ModelError(np.sqrt(parts), np.sqrt(factors))


def _terms(scatter: Scatter, dp2: Floats, nu: float) -> tuple[Floats, Floats]:
    """Return the share of dp^2 in the variance (n,), and robust squared residuals over that."""
    by_error = dp2 * scatter.by_error
    variance = scatter.known + by_error
    z2 = scatter.square / variance
    return by_error / variance, z2 * (nu + 1.0) / (nu + z2)
