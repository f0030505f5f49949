"""Intensities by profile fitting, from the sums over pixels.

With counts c of a flat background b, the best estimate of an intensity whose fraction p is in each
pixel is I = sum p (c - b) / sum p^2 (Diamond 1969, Acta Cryst. A25, 43; Rossmann 1979, J. Appl.
Cryst. 12, 225; Kabsch 2010, Acta Cryst. D66, 133). Its sums do not depend on b or I, so they are
accumulated frame by frame. A sum over all of the foreground is better for strong reflections: the
two are combined in scaling.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, has_flag
from dxdask.integration.calibration import Calibration, calibrate
from dxdask.integration.context import IntegrationContext
from dxdask.integration.gaussian import weight_of_sums
from dxdask.integration.overlaps import (
    MOST_INFLATED,
    Neighbours,
    fit_together,
    held_by_others,
    neighbours,
)
from dxdask.integration.sums import (
    EXCESS,
    FITTED,
    FITTED_2,
    FITTED_3,
    FITTED_COUNTS,
    FITTED_OWN,
    N_SUMS,
    PROFILE,
    PixelSums,
)
from dxdask.models import Experiment

# relative error of the part of a profile on unusable pixels: over that of the whole, and the most
_UNSEEN, _MOST_UNSEEN = 8.0, 0.5
_ALONE = 0.7  # least part of a profile in own pixels, for a sum that may be used without the fit
_FOREIGN = 0.2  # most of the profiles of neighbours in them


class Fitted(NamedTuple):
    """Reflections with fitted intensities, and the calibration of these."""

    reflections: Reflections
    calibration: Calibration


def fitted(
    reflections: Reflections, sums: PixelSums, context: IntegrationContext, experiment: Experiment
) -> Fitted:
    """Return the summed reflections with their fitted intensities, and the calibration of these.

    I = sum w (c - b), w = f q p / sum p^2, p the profile's fraction in a pixel, q the partiality
    (so that I is what was recorded, as the summed intensity is) and f the calibration; where
    reflections share pixels, w is that of their joint fit (`overlaps`). The sums of w, w^2 and
    w^2 p / (f q) make the variance: sum w^2 (b + I p / (f q)) + (sum w)^2 b / n_bg, and that of the
    counts of neighbours. It is that of the counts; `profile_error` is the relative error by the
    shape of the profile. Reflections are fitted if enough of the profile is on usable pixels and
    their neighbours can be told apart. Sums of reflections that share pixels are completed.
    """
    n = len(reflections["panel"])
    s = np.zeros((n, N_SUMS))
    s[sums.rows] = sums.sums
    scale = weight_of_sums(context.shapes.profile)
    p, p2, p3 = s[:, FITTED] * scale, s[:, FITTED_2] * scale**2, s[:, FITTED_3] * scale**3
    covered = s[:, FITTED] >= context.fit.valid_foreground_threshold * s[:, PROFILE]
    failed = (reflections["flags"] & np.uint32(Flag.FAILED_DURING_BACKGROUND_MODELLING)) != 0
    b = reflections["background_mean"]
    under = np.zeros(n)  # mean background under the profile
    under[sums.rows] = np.where(np.isfinite(sums.fitted_background), sums.fitted_background, 0.0)
    near = neighbours(sums.pairs, scale)
    joint = fit_together(near, p, p2, p3, s[:, FITTED_COUNTS] * scale - under * p, ~failed)
    good = covered & (p2 > 0) & ~failed & (joint.inflation <= MOST_INFLATED)
    q = np.where(good, reflections["partiality"], 0.0)
    fit = q * joint.intensity
    table = reflections | {
        "flags": reflections["flags"]
        | np.where(good, Flag.INTEGRATED_PRF, Flag.FAILED_DURING_PROFILE_FITTING).astype(np.uint32),
        "intensity_prf": fit,
        "profile_weights": np.stack(
            [q * joint.weight, q**2 * joint.weight2, q * joint.slope], axis=1
        ),
    }
    own = s[:, FITTED_OWN] / np.maximum(s[:, PROFILE], 1.0)
    per_pixel = b / np.maximum(reflections["n_background"], 1)
    counted = b * joint.weight2 + joint.weight**2 * per_pixel + joint.others
    counted += joint.slope * np.abs(joint.intensity)
    calibration = calibrate(_completed(table, near, own, joint.intensity, counted), experiment)
    f = calibration.factor
    table["intensity_prf"] = f * fit
    table["profile_weights"] *= np.stack([f, f**2, f], axis=1)
    unseen = 1.0 - s[:, FITTED] / np.maximum(s[:, PROFILE], 1.0)
    by_shape = min(_UNSEEN * calibration.error, _MOST_UNSEEN)
    error = np.where(good, np.hypot(calibration.error, by_shape * unseen), 0.0)
    table["profile_error"] = error
    w, w2, w2p = table["profile_weights"].T
    table["intensity_prf_variance"] = b * w2 + w**2 * per_pixel + w2p * np.abs(f * fit)
    table["intensity_prf_variance"] += (f * q) ** 2 * joint.others
    # restored photons are of the strongest pixels, which weigh as those of the intensity do
    strength = np.maximum(np.abs(reflections["intensity_sum"]), 1.0)
    table["intensity_prf_variance"] += w2p * np.abs(f * fit) * s[:, EXCESS] / strength
    whole = _completed(table, near, own, f * joint.intensity, f**2 * counted)
    return Fitted(whole, calibration)


def _completed(
    r: Reflections, near: Neighbours, own: Floats, intensity: Floats, variance: Floats
) -> Reflections:
    """Return the reflections with the sums of those that share pixels completed by the profiles.

    I = (sum over own pixels - counts of neighbours in them) / own part of the profile. The flag
    OVERLAPPED_FG is left to those whose sum is more of the profile than of the counts.

    Parameters
    ----------
    near : neighbours.
    own : (n,) parts of the profiles in own pixels.
    intensity, variance : (n,) of the joint fit.
    """
    rows = (np.diff(near.offsets) > 0) | has_flag(r, Flag.OVERLAPPED_FG)
    counts, foreign, error = held_by_others(near, np.maximum(intensity, 0.0), variance)
    rows &= own > 0
    part = np.where(rows, own, 1.0)
    total = (r["intensity_sum"] - counts) / part
    completed = (r["intensity_sum_variance"] + counts + error) / part**2
    apart = (own >= _ALONE) & (foreign <= _FOREIGN)
    overlapped = np.where(rows & ~apart, np.uint32(Flag.OVERLAPPED_FG), np.uint32(0))
    flags = r["flags"] & ~np.where(rows, np.uint32(Flag.OVERLAPPED_FG), np.uint32(0))
    return r | {
        "flags": flags | overlapped,
        "intensity_sum": np.where(rows, total, r["intensity_sum"]),
        "intensity_sum_variance": np.where(rows, completed, r["intensity_sum_variance"]),
    }
