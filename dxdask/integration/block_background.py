"""Background of the reflections of a block of frames, from histograms and footprints."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.integration.background import backgrounds
from dxdask.integration.background_pixels import BackgroundPixels, count_distinct, encode
from dxdask.integration.background_surface import PLANE, RADIAL, SCALE, surfaces
from dxdask.integration.background_volume import VOLUME, volumes
from dxdask.integration.footprints import Footprints, without_pixels
from dxdask.integration.parameters import (
    BackgroundParameters,
    GlmParameters,
    GmodelParameters,
    SimpleParameters,
)
from dxdask.integration.simple_background import (
    BY_PLANE,
    NSIGMA,
    NULL,
    TRUNCATED,
    TUKEY,
    Rejection,
    planes,
    simple_means,
)
from dxdask.integration.simple_volume import image_means, volume_planes
from dxdask.integration.sums import N_FRAMES, PixelSums

# terms of the models of a background by robust regression
_TERMS = {
    "constant3d": 0,
    "loglinear2d": PLANE,
    "loglinear3d": VOLUME,
    "radial": RADIAL,
    "auto": RADIAL,
}
# models that vary from image to image
_ALONG = ("constant2d", "linear3d", "loglinear3d")


def may_vary(background: BackgroundParameters) -> bool:
    """Return True if the background is not a constant, so that footprints are needed."""
    return background.algorithm == "gmodel" or _model(background) != "constant3d"


def varies_along(background: BackgroundParameters) -> bool:
    """Return True if the background may vary along the rotation: sums by image are needed."""
    return background.algorithm != "gmodel" and _model(background) in _ALONG


def _model(background: BackgroundParameters) -> str:
    simple = background.algorithm == "simple"
    return background.simple.model.algorithm if simple else background.glm.model.algorithm


def block_record(
    rows: NDArray[np.int64],
    needed: NDArray[np.int64],
    sums: NDArray[np.int64],
    background: BackgroundPixels,
    footprints: Footprints,
    unit: int,
) -> PixelSums:
    """Return the sums of a block, the background as histograms; none is whole yet."""
    distinct = np.empty(len(rows), dtype=np.int64)
    count_distinct(*background, distinct)
    offsets = np.concatenate([[0], np.cumsum(distinct)])
    values, counts = np.empty(offsets[-1], dtype=np.int32), np.empty(offsets[-1], dtype=np.int64)
    encode(*background, unit, offsets, values, counts)
    return PixelSums(
        rows=rows,
        sums=sums,
        needed=needed,
        whole=np.zeros(len(rows), dtype=bool),
        background=np.full(len(rows), np.nan),
        fitted_background=np.full(len(rows), np.nan),
        n_background=background.histogram.sum(axis=1, dtype=np.int64) + background.used,
        offsets=offsets,
        values=values,
        counts=counts,
        footprints=footprints,
        unit=unit,
    )


class _Fit(NamedTuple):
    """Backgrounds (n,) under the foreground and the profile, and their pixels."""

    own: Floats
    fitted: Floats
    n_pixels: NDArray[np.int64]


def with_backgrounds(s: PixelSums, background: BackgroundParameters) -> PixelSums:
    """Return the sums with the backgrounds of the reflections that have all their frames."""
    whole = s.sums[:, N_FRAMES] >= s.needed
    rows = np.flatnonzero(whole)
    if background.algorithm == "simple":
        fit = _simple(s, rows, background.simple)
    elif background.algorithm == "gmodel":
        fit = _glm(s, rows, background.gmodel, SCALE)
    else:
        model = background.glm.model.algorithm
        fit = _glm(s, rows, background.glm, _TERMS[model], where_significant=model == "auto")
    lengths = np.where(whole, 0, np.diff(s.offsets))
    kept = np.repeat(~whole, np.diff(s.offsets))
    return replace(
        s,
        whole=whole,
        background=fit.own,
        fitted_background=fit.fitted,
        n_background=fit.n_pixels,
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        values=s.values[kept],
        counts=s.counts[kept],
        footprints=without_pixels(s.footprints, whole),
    )


def _glm(
    s: PixelSums,
    rows: NDArray[np.int64],
    glm: GlmParameters | GmodelParameters,
    n_terms: int,
    *,
    where_significant: bool = False,
) -> _Fit:
    """Return the backgrounds of robust regression.

    n_terms : those of `surfaces`, VOLUME of `volumes`, 0 for none.
    """
    robust = glm.robust
    mean = backgrounds(
        rows,
        s.offsets,
        s.values,
        s.counts,
        tuning_constant=robust.tuning_constant,
        tolerance=robust.tolerance,
        max_iter=robust.max_iter,
        min_pixels=glm.min_pixels,
        unit=s.unit,
    )
    if not n_terms:
        return _Fit(mean, mean, s.n_background)
    tuning = np.where(_is_noisy(s), np.inf, robust.tuning_constant)
    if n_terms == VOLUME and s.footprints.rotation is not None:
        found = volumes(
            rows,
            s.footprints,
            s.footprints.rotation,
            mean,
            tuning_constants=tuning,
            tolerance=robust.tolerance,
            max_iter=robust.max_iter,
            unit=s.unit,
        )
    else:
        found = surfaces(
            rows,
            s.footprints,
            mean,
            n_terms=n_terms,
            where_significant=where_significant,
            tuning_constants=tuning,
            tolerance=robust.tolerance,
            max_iter=robust.max_iter,
            unit=s.unit,
        )
    return _where_found(_Fit(mean, mean, s.n_background), found.own, found.fitted, found.n_pixels)


def _is_noisy(s: PixelSums) -> NDArray[np.bool_]:
    """Return the reflections (n,) with values below zero: their residuals are not Poisson's."""
    first = s.values[np.minimum(s.offsets[:-1], max(len(s.values) - 1, 0))] if len(s.values) else 0
    return np.asarray((np.diff(s.offsets) > 0) & (first < 0))


def _simple(s: PixelSums, rows: NDArray[np.int64], simple: SimpleParameters) -> _Fit:
    rejection = _rejection(simple)
    means = simple_means(
        rows, s.offsets, s.values, s.counts, rejection, min_pixels=simple.min_pixels, unit=s.unit
    )
    n_pixels = s.n_background.copy()
    n_pixels[rows] = means.n_used[rows]
    constant = _Fit(means.mean, means.mean, n_pixels)
    along, least = s.footprints.rotation, simple.min_pixels
    if simple.model.algorithm == "constant3d":
        return constant
    if along is None:
        found = planes(rows, s.footprints, rejection, min_pixels=least, unit=s.unit)
    elif simple.model.algorithm == "constant2d":
        found = image_means(rows, s.footprints, along, min_pixels=least, unit=s.unit)
    else:
        found = volume_planes(rows, s.footprints, along, rejection, min_pixels=least, unit=s.unit)
    return _where_found(constant, found.own, found.fitted, found.n_pixels)


def _rejection(simple: SimpleParameters) -> Rejection:
    o = simple.outlier
    limits = {
        "null": (NULL, 0.0, 0.0),
        "nsigma": (NSIGMA, o.nsigma.lower, o.nsigma.upper),
        "truncated": (TRUNCATED, o.truncated.lower, o.truncated.upper),
        "tukey": (TUKEY, o.tukey.lower, o.tukey.upper),
        "plane": (BY_PLANE, o.plane.n_sigma, o.plane.n_sigma),
    }
    return Rejection(*limits[o.algorithm])


def _where_found(constant: _Fit, own: Floats, fitted: Floats, n_pixels: Floats) -> _Fit:
    known = np.isfinite(own)
    whole = np.maximum(np.rint(np.where(known, n_pixels, 1.0)), 1.0).astype(np.int64)
    return _Fit(
        np.where(known, own, constant.own),
        np.where(known, fitted, constant.fitted),
        np.where(known, whole, constant.n_pixels),
    )
