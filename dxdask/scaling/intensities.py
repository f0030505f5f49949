"""Summed and fitted estimates of an intensity, and their best combination.

A sum over all of the foreground is best where the counts are mostly of the reflection, a fitted
profile where they are mostly background. Their variances and covariance are known for any true
intensity, from the weights of the pixels in the fit; the combination of least variance follows from
the expected intensity. That is taken from the equivalents, not from the observation itself, whose
error would bias the weights. Source: the combination as in DIALS (Winter et al. 2018, Acta Cryst.
D74, 85), which goes from one estimate to the other around an intensity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, has_flag
from dxdask.errors import InputError

Choice = Literal["combine", "sum", "profile"]

SUMMED = ("intensity_sum", "intensity_sum_variance")
NEEDED_BY_FIT = (
    "intensity_prf",
    "profile_weights",
    "profile_error",
    "background_mean",
    "n_background",
    "n_foreground",
)
VARIANCE_OF_FIT = "intensity_prf_variance"
BAD_SUM = (
    Flag.OVERLOADED
    | Flag.OVERLAPPED_FG
    | Flag.FOREGROUND_INCLUDES_BAD_PIXELS
    | Flag.FAILED_DURING_SUMMATION
)
# a fit excludes bad pixels, and is joint with that of neighbours
BAD_FIT = Flag.OVERLOADED | Flag.FAILED_DURING_PROFILE_FITTING
_ROWS_AT_ONCE = 2**17
LEAST_VARIANCE = 0.25  # counts^2: the error of any sum of pixels is at least half a photon


def blocks_of_rows(n: int) -> Iterator[slice]:
    """Yield slices of n rows: temporary arrays of all of them would determine the peak memory."""
    for first in range(0, n, _ROWS_AT_ONCE):
        yield slice(first, first + _ROWS_AT_ONCE)


def is_variance(variance: Floats) -> NDArray[np.bool_]:
    """Return true for values (n,) that a variance of counts may have: finite, and not negative."""
    return np.asarray((variance >= 0) & np.isfinite(variance))


def usable(reflections: Reflections, choice: Choice) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the reflections (n,) with a good summed intensity, and those with a good fitted one.

    Estimates other than `choice` are False throughout. Without the columns of a fit, `combine` is
    `sum`.

    Raises
    ------
    InputError
        `choice` is `profile` and there are no fitted intensities.
    """
    fits = all(name in reflections for name in NEEDED_BY_FIT)
    if choice == "profile" and not fits:
        raise InputError(
            "intensity_choice=profile: the reflections have no fitted intensities; integrate them "
            "with integration.profile.fitting=true, or choose sum"
        )
    summed = has_flag(reflections, Flag.INTEGRATED_SUM) & ~has_flag(reflections, BAD_SUM)
    summed &= np.isfinite(reflections["intensity_sum"])
    summed &= is_variance(reflections["intensity_sum_variance"])
    none = np.zeros(len(summed), dtype=np.bool_)
    if not fits or choice == "sum":
        return summed, none
    fitted = has_flag(reflections, Flag.INTEGRATED_PRF) & ~has_flag(reflections, BAD_FIT)
    fitted &= np.isfinite(reflections["intensity_prf"])
    return (summed if choice == "combine" else none), fitted


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimates:
    """Summed and fitted intensities of n observations, in counts.

    The variance of each, and their covariance, is that of the background plus the true intensity
    times a slope. The slopes of the sum and of the covariance are `own` (1 for counts of photons).

    Attributes
    ----------
    has_sum, has_fit : (n,) bool.
    total, fit : (n,) intensities; 0 where there is none.
    total_variance, fit_variance, covariance : (n,) parts of the background, counts^2.
    own, fit_slope : (n,) slopes, counts.
    fit_error : (n,) error of the fit by its profile, as a fraction of the true intensity.
    """

    has_sum: NDArray[np.bool_]
    has_fit: NDArray[np.bool_]
    total: Floats
    fit: Floats
    total_variance: Floats
    fit_variance: Floats
    covariance: Floats
    own: Floats
    fit_slope: Floats
    fit_error: Floats

    def share_of_sum(self, expected: Floats) -> Floats:
        """Return the weight (n,), 0 to 1, of the summed intensity; expected : (n,) true ones."""
        true = np.maximum(expected, 0.0)
        both = self.covariance + self.own * true
        of_sum = np.maximum(self.total_variance + self.own * true - both, 0.0)
        of_fit = np.maximum(self.fit_variance + self.fit_slope * true - both, 0.0)
        of_fit += (self.fit_error * true) ** 2
        sum_is_best = np.divide(
            of_fit, of_sum + of_fit, out=np.ones_like(of_fit), where=of_sum + of_fit > 0
        )
        return np.where(self.has_sum & self.has_fit, sum_is_best, self.has_sum)

    def combined(self, expected: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the best intensity (n,), its variance without the own counts, and their slope."""
        out = np.empty((3, len(expected)))
        for rows in blocks_of_rows(len(expected)):
            out[:, rows] = self.of_rows(rows)._combined(expected[rows])
        return out[0], out[1], out[2]

    def of_rows(self, rows: slice) -> Estimates:
        """Return the estimates of some observations."""
        return Estimates(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def _combined(self, expected: Floats) -> tuple[Floats, Floats, Floats]:
        a = self.share_of_sum(expected)
        b = 1.0 - a
        variance = a**2 * self.total_variance + b**2 * self.fit_variance
        variance += 2.0 * a * b * self.covariance
        variance += (b * self.fit_error * np.maximum(expected, 0.0)) ** 2
        slope = (a**2 + 2.0 * a * b) * self.own + b**2 * self.fit_slope
        return a * self.total + b * self.fit, np.maximum(variance, LEAST_VARIANCE), slope


def estimates(
    reflections: Reflections, rows: NDArray[np.int64], choice: Choice, *, expected: bool
) -> Estimates:
    """Return the estimates of these rows of a table.

    expected : True to give the variance of a reflection's own counts as a slope, to be multiplied
        by the intensity expected from its equivalents; False to add the observed one to the
        variances, with slopes of 0.
    """
    wanted = [n for n in ("flags", *SUMMED, *NEEDED_BY_FIT, VARIANCE_OF_FIT) if n in reflections]
    parts = [
        _estimates({n: reflections[n][rows[block]] for n in wanted}, choice, expected=expected)
        for block in blocks_of_rows(len(rows))
    ]
    return Estimates(
        **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Estimates)}
    )


def _estimates(reflections: Reflections, choice: Choice, *, expected: bool) -> Estimates:
    total, fit = usable(reflections, choice)
    summed = reflections["intensity_sum"]
    variance = reflections["intensity_sum_variance"]
    # variance of the own counts: |I| for a counting detector of gain 1
    counted = np.minimum(np.abs(summed), variance)
    own = np.divide(counted, np.abs(summed), out=np.ones_like(counted), where=summed != 0)
    zero = np.zeros(len(summed))
    parts = {
        "has_sum": total,
        "has_fit": fit,
        "total": np.where(total, summed, 0.0),
        "fit": zero,
        "total_variance": np.maximum(variance - counted, LEAST_VARIANCE),
        "fit_variance": zero,
        "covariance": zero,
        "own": own,
        "fit_slope": zero,
        "fit_error": zero,
    }
    if fit.any():
        b = reflections["background_mean"]
        n = reflections["n_foreground"]
        per_pixel = b / np.maximum(reflections["n_background"], 1)
        w, w2, w2p = reflections["profile_weights"].T
        parts["fit"] = np.where(fit, reflections["intensity_prf"], 0.0)
        parts["fit_variance"] = np.maximum(b * w2 + per_pixel * w**2, LEAST_VARIANCE)
        parts["covariance"] = b * w + per_pixel * w * n
        parts["fit_slope"] = w2p
        parts["fit_error"] = reflections["profile_error"]
        parts["fit_variance"] += _by_neighbours(reflections)
    found = Estimates(**parts)
    return found if expected else _as_observed(found)


def _by_neighbours(reflections: Reflections) -> Floats:
    """Return the variance (n,) of fitted intensities by the counts of overlapping neighbours."""
    if VARIANCE_OF_FIT not in reflections:
        return np.zeros(len(reflections["intensity_prf"]))
    b, whole = reflections["background_mean"], reflections[VARIANCE_OF_FIT]
    per_pixel = b / np.maximum(reflections["n_background"], 1)
    w, w2, w2p = reflections["profile_weights"].T
    own = b * w2 + per_pixel * w**2 + w2p * np.abs(reflections["intensity_prf"])
    # what is left of the rounding of reflections without neighbours is not theirs
    return np.where(whole > own * (1.0 + 1e-9), whole - own, 0.0)


def _as_observed(e: Estimates) -> Estimates:
    """Return the estimates with the variances of the observed counts, and no slopes."""
    seen = np.abs(np.where(e.has_sum, e.total, e.fit))
    zero = np.zeros_like(seen)
    return Estimates(
        has_sum=e.has_sum,
        has_fit=e.has_fit,
        total=e.total,
        fit=e.fit,
        total_variance=e.total_variance + e.own * seen,
        fit_variance=e.fit_variance + e.fit_slope * seen,
        covariance=e.covariance + e.own * seen,
        own=zero,
        fit_slope=zero,
        fit_error=e.fit_error,
    )
