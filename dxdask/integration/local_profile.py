"""Centres and widths of strong spots against their predictions, over the detector.

Errors of the geometry (a displaced module, a cell that compensates for it) shift spots by a
fraction of a pixel and of an image, and make the widths about predicted places larger than those of
the spots. Fitted profiles have the centres and widths of the spots.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, has_flag, select
from dxdask.geometry.required import require_profile, require_rotation
from dxdask.integration.parameters import ProfileParameters
from dxdask.integration.profile_model import rays, spots_of
from dxdask.integration.regions import DetectorPositions, RegionMeans, region_means
from dxdask.integration.rotation_spread import RotationSpread, given_spread, rotation_spread
from dxdask.integration.widths import moments
from dxdask.models import Experiment, ExperimentList

Pixels = Mapping[str, NDArray[Any]]
_FARTHEST = 3.0  # px and images
_PRECISION = 0.1  # px and images, of the centre of a spot, beside its own error
_SHIFT_SPREAD, _SHIFT_CLIP = 0.2, 1.5  # px and images
_WIDTH_SPREAD, _WIDTH_CLIP = 0.2, 1.5  # of the logarithm of a variance
# logarithm of the largest over the least pixel of a spot: below the first too much of the spot is
# cut off to measure its width, from the second on its weight is 1
_CUT, _WHOLE = 2.0, 4.0
# a profile too wide is less wrong than one too narrow, and spots have tails
_WIDENED = 1.4


class LocalProfile(NamedTuple):
    """Centres and widths of the strong spots of a run.

    x, y, z: observed less predicted centre, px and images. log_xx, log_yy: logarithms of the
    variances along x and y, px^2. All are means over the regions of the detector. spread: of the
    rotation about the shifted centres.
    """

    x: RegionMeans
    y: RegionMeans
    z: RegionMeans
    log_xx: RegionMeans
    log_yy: RegionMeans
    spread: RotationSpread


def local_profiles(
    reflections: Reflections,
    arrays: Pixels,
    experiments: ExperimentList,
    parameters: ProfileParameters,
) -> tuple[LocalProfile | None, ...]:
    """Return the local profile of each experiment; None for too few suitable spots.

    Parameters
    ----------
    reflections : spots, indexed and predicted: experiment, panel, flags, x, y, z and their
        variances, x_cal, y_cal, z_cal, x_cal_mm, y_cal_mm, phi_cal_rad.
    arrays : the strong pixels of the spots, as for `estimate_profile`.
    experiments : with profiles.
    """
    spots = _spots(arrays)
    off = np.stack([reflections[n] - reflections[f"{n}_cal"] for n in ("x", "y", "z")])
    good = has_flag(reflections, Flag.INDEXED) & (np.abs(off).max(axis=0) < _FARTHEST)
    good &= spots[:, 2] > 0
    out: list[LocalProfile | None] = []
    for i, experiment in enumerate(experiments):
        rows = np.flatnonzero(good & (reflections["experiment"] == i))
        reliability = _reliability(spots[rows, 3])
        if np.count_nonzero(reliability) < parameters.min_spots:
            out.append(None)
            continue
        own = select(reflections, rows)
        z = _shift(own, "z", experiment)
        out.append(
            LocalProfile(
                x=_shift(own, "x", experiment),
                y=_shift(own, "y", experiment),
                z=z,
                log_xx=_width(own, spots[rows], 0, reliability, experiment),
                log_yy=_width(own, spots[rows], 1, reliability, experiment),
                spread=_rotation_spread(reflections, arrays, experiment, i, z, parameters),
            )
        )
    return tuple(out)


def _shift(spots: Reflections, name: str, experiment: Experiment) -> RegionMeans:
    weight = 1.0 / (_PRECISION**2 + spots[f"{name}_variance"])
    off = spots[name] - spots[f"{name}_cal"]
    return _means(spots, off, weight, experiment, spread=_SHIFT_SPREAD, clip=_SHIFT_CLIP)


def _means(
    spots: Reflections,
    value: Floats,
    weight: Floats,
    experiment: Experiment,
    *,
    spread: float,
    clip: float,
) -> RegionMeans:
    return region_means(
        DetectorPositions(experiment.detector, spots["panel"], spots["x_cal"], spots["y_cal"]),
        first=float(np.median(value)),
        value=value,
        unit=np.ones(len(value)),
        weight=weight,
        clip=np.full(len(value), clip),
        spread=spread,
    )


def _reliability(t: Floats) -> Floats:
    """Return weights (n,), 0 to 1, of the widths of spots cut at 1 / e^t of their peak."""
    return np.asarray(np.clip((t - _CUT) / (_WHOLE - _CUT), 0.0, 1.0))


def _width(
    spots: Reflections, shape: Floats, axis: int, reliability: Floats, experiment: Experiment
) -> RegionMeans:
    """Return the logarithm of the variance along an axis, of spots with the mean sigma_b.

    A Gaussian cut at 1 / e^t of its peak, less that level, has the fraction
    (1 - e^-t (1 + t + t^2 / 2)) / (1 - e^-t (1 + t)) of its variance.
    """
    used = reliability > 0
    profile, scan = require_profile(experiment), require_rotation(experiment).scan
    wider = profile.sigma_b_at(spots["z_cal"][used] - scan.array_range[0]) / profile.sigma_b
    counts, t = shape[used, 2], shape[used, 3]
    seen = (1.0 - np.exp(-t) * (1.0 + t + 0.5 * t**2)) / (1.0 - np.exp(-t) * (1.0 + t))
    variance = np.maximum(_WIDENED * shape[used, axis] / seen, 1.0 / 12.0)
    # the variance of a variance of n counts is some 2 / n of its square; shapes vary by a tenth
    weight = reliability[used] / (0.1 + 2.0 / counts)
    own, log = select(spots, used), np.log(variance) - 2.0 * np.log(wider)
    return _means(own, log, weight, experiment, spread=_WIDTH_SPREAD, clip=_WIDTH_CLIP)


def _rotation_spread(
    reflections: Reflections,
    arrays: Pixels,
    experiment: Experiment,
    index: int,
    shift: RegionMeans,
    parameters: ProfileParameters,
) -> RotationSpread:
    """Return the widths along the rotation, about the shifted centres."""
    given = given_spread(parameters)
    if given is not None:
        return given
    spots, pixels = spots_of(reflections, arrays, index, ("x_cal", "y_cal"))
    s1 = rays(spots["x_cal_mm"], spots["y_cal_mm"], spots["panel"], experiment)
    off = shift.at(spots["panel"], spots["x_cal"], spots["y_cal"])
    width = require_rotation(experiment).scan.image_width_rad
    return rotation_spread(s1, spots["phi_cal_rad"] + width * off, pixels, experiment, parameters)


def _spots(arrays: Pixels) -> Floats:
    """Return the `moments` of each spot (n, 4)."""
    offsets = arrays["pixel_offsets"]
    out = np.zeros((len(offsets) - 1, 4))
    moments(offsets, arrays["pixel_x"], arrays["pixel_y"], arrays["pixel_value"], out)
    return out
