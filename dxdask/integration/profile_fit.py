"""Intensities by profile fitting, from the sums over pixels.

With counts c of a flat background b, the best estimate of an intensity whose fraction p is in each
pixel is I = sum p (c - b) / sum p^2 (Diamond 1969, Acta Cryst. A25, 43; Rossmann 1979, J. Appl.
Cryst. 12, 225; Kabsch 2010, Acta Cryst. D66, 133). Its sums do not depend on b or I, so they are
accumulated frame by frame. A sum over all of the foreground is better for strong reflections: the
two are combined in scaling.
"""

from __future__ import annotations

import numpy as np

from dxdask.columns import Flag, Reflections
from dxdask.integration.calibration import Calibration, calibrate
from dxdask.integration.context import IntegrationContext
from dxdask.integration.gaussian import weight_of_sums
from dxdask.integration.sums import (
    FITTED,
    FITTED_2,
    FITTED_3,
    FITTED_COUNTS,
    N_SUMS,
    PROFILE,
    PixelSums,
)
from dxdask.models import Experiment

_UNSEEN = 0.5  # relative error of the part of a profile on unusable pixels


def fitted(
    reflections: Reflections, sums: PixelSums, context: IntegrationContext, experiment: Experiment
) -> tuple[Reflections, Calibration]:
    """Return the summed reflections with their fitted intensities, and the calibration of these.

    I = sum w (c - b), w = f q p / sum p^2, p the profile's fraction in a pixel, q the partiality
    (so that I is what was recorded, as the summed intensity is) and f the calibration. The sums of
    w, w^2 and w^2 p / (f q) make the variance: sum w^2 (b + I p / (f q)) + (sum w)^2 b / n_bg. It
    is that of the counts; `profile_error` is the relative error by the shape of the profile.
    Reflections are fitted if enough of the profile is on usable pixels.
    """
    n = len(reflections["panel"])
    s = np.zeros((n, N_SUMS))
    s[sums.rows] = sums.sums
    scale = weight_of_sums(context.shapes.profile)
    p, p2, p3 = s[:, FITTED] * scale, s[:, FITTED_2] * scale**2, s[:, FITTED_3] * scale**3
    covered = s[:, FITTED] >= context.fit.valid_foreground_threshold * s[:, PROFILE]
    failed = (reflections["flags"] & np.uint32(Flag.FAILED_DURING_BACKGROUND_MODELLING)) != 0
    good = covered & (p2 > 0) & ~failed
    norm = np.where(good, reflections["partiality"], 0.0) / np.where(p2 > 0, p2, 1.0)
    b = reflections["background_mean"]
    fit = norm * (s[:, FITTED_COUNTS] * scale - b * p)
    safe = np.where(good, reflections["partiality"], 1.0)
    table = reflections | {
        "flags": reflections["flags"]
        | np.where(good, Flag.INTEGRATED_PRF, Flag.FAILED_DURING_PROFILE_FITTING).astype(np.uint32),
        "intensity_prf": fit,
        "profile_weights": np.stack([norm * p, norm**2 * p2, norm**2 * p3 / safe], axis=1),
    }
    calibration = calibrate(table, experiment)
    f = calibration.factor
    table["intensity_prf"] = f * fit
    table["profile_weights"] *= np.stack([f, f**2, f], axis=1)
    unseen = 1.0 - s[:, FITTED] / np.maximum(s[:, PROFILE], 1.0)
    error = np.where(good, np.hypot(calibration.error, _UNSEEN * unseen), 0.0)
    table["profile_error"] = error
    w, w2, w2p = table["profile_weights"].T
    per_pixel = b / np.maximum(reflections["n_background"], 1)
    table["intensity_prf_variance"] = b * w2 + w**2 * per_pixel + w2p * np.abs(f * fit)
    return table, calibration
