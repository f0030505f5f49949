"""Calibration of fitted intensities by summed ones, over the detector and along the scan.

Profiles are not exactly Gaussian, nor exactly at the place and of the width that are fitted: fitted
intensities are off by a factor that varies with the place on the detector (and so with resolution)
and along the scan. Summed ones are not. The factor of a region is the ratio of the two over all its
reflections, strong and weak, with weights that do not depend on the error of a reflection: so there
is no selection bias. That of a stretch of the scan is the same ratio over strong reflections.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, has_flag
from dxdask.geometry.required import require_rotation
from dxdask.integration.regions import DetectorPositions, region_means
from dxdask.integration.stretches import FEWEST, smooth_by_image, stretches
from dxdask.models import Experiment

_STRONG = 10.0  # I / sigma from which a reflection is weighted by its own intensity
_FEWEST = 50  # strong reflections of a calibration
_SHELL = 2000  # weak reflections of a resolution shell, weighted by its mean intensity
_MODEL = 0.05  # relative variation of profiles
_UNKNOWN = 0.03  # relative error by profiles that few strong reflections do not show
_PRIOR = 0.2  # relative error of fitted intensities without calibration
_CLIP = 4.0  # standard deviations
_ROUNDS = 5
_SPREAD = 0.05  # relative difference of a region from the one it is part of
_GOOD_PARTIALITY = 0.99
_NORMAL = 1.4826  # standard deviation over median deviation, of a normal distribution


class Calibration(NamedTuple):
    """Calibration of fitted intensities.

    factor: (n,) of each intensity; one for all where few reflections are strong. error: of an
    intensity by its profile, relative. n_strong: number of strong reflections.
    """

    factor: Floats
    error: float
    n_strong: int

    @property
    def is_determined(self) -> bool:
        """True if there were enough strong reflections."""
        return self.n_strong >= _FEWEST


def calibrate(reflections: Reflections, experiment: Experiment) -> Calibration:
    """Return the calibration of the fitted intensities of one run.

    reflections : with summed and fitted intensities, `profile_weights` not yet calibrated.
    """
    every = np.ones(len(reflections["panel"]))
    rows = np.flatnonzero(_comparable(reflections))
    own = {
        name: reflections[name][rows] for name in ("panel", "x_cal", "y_cal", "d", "intensity_sum")
    }
    total, fit = own["intensity_sum"], reflections["intensity_prf"][rows]
    flat, slope = _variance_of_difference(reflections, rows)
    sigma = np.sqrt(reflections["intensity_sum_variance"][rows])
    strong = total + fit > _STRONG * 2.0 * sigma
    n_strong = int(strong.sum())
    if n_strong < _FEWEST:
        # weak reflections determine one factor: as exactly as they are many
        one, error = _one_factor(total, fit, own["d"], flat, slope)
        return Calibration(one * every, float(np.hypot(_UNKNOWN, error)), n_strong)
    first = float(np.median(total[strong] / fit[strong]))
    mean = 0.5 * (total + first * fit)
    expected = np.where(strong, mean, _mean_at_resolution(own["d"], total, ~strong))
    strength = np.maximum(expected, 0.0)
    variance = flat + slope * strength + (_MODEL * strength) ** 2
    # for clipping: a weak reflection may be stronger than the mean of its resolution
    wide = flat + slope * np.maximum(mean, strength) + (_MODEL * np.maximum(mean, strength)) ** 2
    means = region_means(
        DetectorPositions(experiment.detector, own["panel"], own["x_cal"], own["y_cal"]),
        first=first,
        value=total,
        unit=fit,
        weight=strength / variance,
        clip=_CLIP * np.sqrt(wide),
        spread=_SPREAD,
    )
    factor = means.at(reflections["panel"], reflections["x_cal"], reflections["y_cal"])
    scan = require_rotation(experiment).scan
    at = reflections["z_cal"] - scan.array_range[0]
    pairs = _Pairs(total, factor[rows] * fit, strength / variance, _CLIP * np.sqrt(wide))
    factor = factor * _along_scan(at[rows][strong], pairs.select(strong), at, scan.n_images)
    left = (total - factor[rows] * fit)[strong] / strength[strong]
    counted = (flat + slope * strength)[strong] / strength[strong] ** 2
    return Calibration(factor, _excess(left, counted), n_strong)


class _Pairs(NamedTuple):
    """Summed and fitted intensities, weights and largest differences of n reflections, (n,)."""

    total: Floats
    fit: Floats
    weight: Floats
    clip: Floats

    def select(self, rows: NDArray[Any]) -> _Pairs:
        return _Pairs(*(v[rows] for v in self))

    def ratio(self) -> float:
        """Return the robust weighted ratio of summed to fitted intensities, 1 to begin with."""
        out, information = 1.0, float((self.weight * self.fit).sum())
        for _ in range(_ROUNDS):
            off = np.clip(self.total - out * self.fit, -self.clip, self.clip)
            out += float((self.weight * off).sum()) / information
        return out


def _along_scan(strong_at: Floats, strong: _Pairs, at: Floats, n_images: int) -> Floats:
    """Return factors (n,) along the scan, of strong reflections calibrated over the detector.

    They are smooth; 1 where strong reflections are too few for stretches of the scan.
    strong_at, at : images from the start of the scan, of the strong reflections and of all n.
    """
    parts = stretches(strong_at, _FEWEST, n_images)
    if len(parts) < FEWEST:
        return np.ones(len(at))
    middle = np.array([strong_at[p].mean() for p in parts])
    smooth = smooth_by_image(middle, np.array([strong.select(p).ratio() for p in parts]), n_images)
    return np.interp(at, np.arange(n_images) + 0.5, smooth)


def _one_factor(
    total: Floats, fit: Floats, d: Floats, flat: Floats, slope: Floats
) -> tuple[float, float]:
    """Return the ratio of summed to fitted intensities of all reflections, and its error.

    Weights are by the mean intensity at the resolution. Before the data it is 1, `_PRIOR`.
    """
    if not len(total):
        return 1.0, _PRIOR
    mean = np.maximum(_mean_at_resolution(d, total, np.ones(len(total), dtype=bool)), 0.0)
    weight = mean / (flat + slope * mean + (_MODEL * mean) ** 2)
    information = max(float((weight * fit).sum()), 0.0)
    step = float((weight * (total - fit)).sum()) / (information + _PRIOR**-2)
    return 1.0 + step, float((information + _PRIOR**-2) ** -0.5)


def _excess(left: Floats, variance: Floats) -> float:
    """Return the robust standard deviation of residuals beyond errors of these variances."""
    spread = (_NORMAL * float(np.median(np.abs(left)))) ** 2
    return float(np.sqrt(max(spread - float(np.median(variance)), 0.0)))


def _comparable(r: Reflections) -> NDArray[np.bool_]:
    """Return the reflections (n,) that are whole, summed and fitted, and not overlapped."""
    both = has_flag(r, Flag.INTEGRATED_SUM) & has_flag(r, Flag.INTEGRATED_PRF)
    return np.asarray(
        both & ~has_flag(r, Flag.OVERLAPPED_FG) & (r["partiality"] > _GOOD_PARTIALITY)
    )


def _variance_of_difference(r: Reflections, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the variance of summed less fitted intensity: of the background, and by intensity."""
    n, b = r["n_foreground"][rows], r["background_mean"][rows]
    w, w2, w2p = r["profile_weights"][rows].T
    # the two have the counts of a pixel in common with weights 1 and w; sum w p is 1
    flat = b * (n + w2 - 2.0 * w) + (n - w) ** 2 * b / np.maximum(r["n_background"][rows], 1)
    # without background or counts the error is half a count
    return np.maximum(flat, 0.25), np.maximum(w2p - 1.0, 0.0)


def _mean_at_resolution(d: Floats, intensity: Floats, weak: NDArray[np.bool_]) -> Floats:
    """Return the mean intensity (n,) of the weak reflections of similar resolution."""
    if not weak.any():
        return np.zeros(len(d))
    order = np.argsort(-d, kind="stable")
    order = order[weak[order]]
    parts = np.array_split(order, max(len(order) // _SHELL, 1))
    at = np.array([-d[p].mean() for p in parts])
    return np.asarray(np.interp(-d, at, [float(intensity[p].mean()) for p in parts]))
