"""Fitted intensities of other programs, with the weights of pixels that scaling asks for.

Other programs write an intensity of a fitted profile with its variance, and not the weights of the
pixels in the fit. Those of an efficient fit follow: its covariance with the sum is its own variance
(Rao 1973, Linear Statistical Inference, 5a.2), and the variance of counting is the background under
the weights plus the intensity. The error of the profile is what the fits of strong reflections
differ from their sums by, beyond their variances.
"""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, has_flag, n_rows

_NEEDED = (
    "flags", "intensity_prf", "intensity_prf_variance", "intensity_sum", "intensity_sum_variance",
    "background_mean", "n_background", "n_foreground",
)  # fmt: skip
_STRONG = 20.0
_AT_LEAST = 20
_SIGMA_OF_MAD = 1.4826


def with_profile_weights(table: Reflections) -> Reflections:
    """Return the rows with `profile_weights` and `profile_error`, where they have fits and lack
    these.
    """
    if "profile_weights" in table or any(name not in table for name in _NEEDED):
        return table
    background = np.maximum(table["background_mean"], 0.0)
    own = table["intensity_prf_variance"] - np.abs(table["intensity_prf"])
    weight = _sum_of_weights(own, background, np.maximum(table["n_background"], 1))
    return {
        **table,
        "profile_weights": np.stack([weight, weight, np.ones_like(weight)], axis=1),
        "profile_error": np.full(n_rows(table), _profile_error(table)),
    }


def _sum_of_weights(variance: Floats, background: Floats, n_background: Floats) -> Floats:
    """Return w of b w + b w^2 / n = variance, with b the background and n its pixels."""
    with np.errstate(divide="ignore", invalid="ignore"):
        c = np.maximum(variance, 0.0) / background
        w = 2.0 * c / (1.0 + np.sqrt(1.0 + 4.0 * c / n_background))
    return np.where(np.isfinite(w), w, 0.0)


def _profile_error(table: Reflections) -> float:
    """Return the relative error of the profiles, from reflections with both intensities."""
    both = has_flag(table, Flag.INTEGRATED_SUM) & has_flag(table, Flag.INTEGRATED_PRF)
    both &= ~has_flag(table, Flag.OVERLOADED | Flag.OVERLAPPED_FG)
    variance = table["intensity_sum_variance"]
    with np.errstate(invalid="ignore"):
        both &= (variance > 0) & (table["intensity_sum"] > _STRONG * np.sqrt(variance))
    if both.sum() < _AT_LEAST:
        return 0.0
    summed, fitted = table["intensity_sum"][both], table["intensity_prf"][both]
    difference = fitted / summed - 1.0
    spread = _SIGMA_OF_MAD * float(np.median(np.abs(difference - np.median(difference))))
    counted = (variance[both] - table["intensity_prf_variance"][both]) / summed**2
    return float(np.sqrt(max(spread**2 - float(np.median(counted)), 0.0)))
