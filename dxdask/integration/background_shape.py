"""Shape of the background over a run: sums of each pixel away from reflections, smoothed.

Scattering by air, solvent and ice varies much faster along the scattering angle than along the
rings and with time. The sums of pixels over all images give a profile along the scattering angle,
in steps of a pixel, times a factor that varies slowly over the detector. Only the shape is used:
its scale is fitted to the pixels around each reflection. Source: the global model of DIALS
(`background.algorithm=gmodel`; Parkhurst et al. 2016, J. Appl. Cryst. 49, 1912).
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import scipy
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.integration.context import IntegrationContext
from dxdask.integration.frame_photons import FramePhotons
from dxdask.integration.photons import PARTS, parts_of_photon
from dxdask.models import Detector, Experiment

_AROUND = 1  # px around a foreground that are left out
# pixels are left out further from the profile than so many standard deviations and parts of it
_FAR, _DIFFERS = 4.0, 1.0
_ROUNDS = 4
_KNOWN = 100.0  # photons of a window, from which its factor is more than a guess


class BackgroundSums(NamedTuple):
    """Sums of the pixels of a frame away from reflections, over some frames.

    Those of two blocks add up to those of both. counts: (slow, fast) int64, parts of
    a photon. n: (slow, fast) int32, frames.
    """

    counts: NDArray[np.int64]
    n: NDArray[np.int32]


def sum_background(
    frames: NDArray[Any],
    first: int,
    context: IntegrationContext,
    mask: NDArray[np.bool_],
    detector: Detector,
    *,
    unreadable: Container[int] = (),
) -> BackgroundSums:
    """Return the sums of the background of a block of frames; arguments as of `sum_block`."""
    shapes, start = context.shapes, context.shapes.first + first
    conversion = FramePhotons.of(context, frames.dtype)
    counts, n = np.zeros(mask.shape, np.int64), np.zeros(mask.shape, np.int32)
    free, panel = np.empty(mask.shape, np.bool_), detector.panel_map(mask.shape)
    for i, recorded in enumerate(frames):
        if i in unreadable:
            continue
        z = start + i
        frame, trusted = conversion.frame(recorded, z)
        free[...] = mask
        here = np.flatnonzero((shapes.box[:, 4] <= z) & (shapes.box[:, 5] > z))
        _take_out(here, shapes.inner, free)
        _add_free(frame, free, panel, trusted, conversion.pixels, counts, n)
    if conversion.pixels is None:
        counts *= PARTS
    return BackgroundSums(counts, n)


@njit(cache=True, nogil=True, error_model="numpy")
def _take_out(rows: Any, inner: Any, free: Any) -> None:
    for r in rows:
        y0, y1 = max(inner[r, 2] - _AROUND, 0), min(inner[r, 3] + _AROUND, free.shape[0])
        x0, x1 = max(inner[r, 0] - _AROUND, 0), min(inner[r, 1] + _AROUND, free.shape[1])
        for y in range(y0, y1):
            for x in range(x0, x1):
                free[y, x] = False


@njit(cache=True, nogil=True, error_model="numpy")
def _add_free(
    frame: Any, free: Any, panel: Any, trusted: Any, pixels: Any, counts: Any, n: Any
) -> None:
    for y in range(frame.shape[0]):
        for x in range(frame.shape[1]):
            p = panel[y, x]
            if p < 0 or not free[y, x] or not trusted[p, 0] < frame[y, x] < trusted[p, 1]:
                continue
            if pixels is None:
                counts[y, x] += np.int64(frame[y, x])
            else:
                counts[y, x] += parts_of_photon(np.float64(frame[y, x]), p, y, x, pixels)
            n[y, x] += 1


def with_background_shape(
    context: IntegrationContext, sums: BackgroundSums, experiment: Experiment
) -> IntegrationContext:
    """Return the context with the shape of the background of the run."""
    shape = background_shape(sums, experiment, context.background.gmodel.window)
    return replace(context, background_shape=shape.astype(np.float32))


def background_shape(sums: BackgroundSums, experiment: Experiment, window: int) -> Floats:
    """Return the smooth background (slow, fast), photons a pixel and frame; 1 where not known.

    window : px, over which the factor beside the profile along the scattering angle is averaged.
    """
    at = radii(experiment, sums.n.shape)
    seen = (sums.n > 0) & np.isfinite(at)
    counts, n = np.maximum(sums.counts / PARTS, 0.0), sums.n.astype(np.float64)
    shape = _profile(at, counts, n, seen)
    for _ in range(_ROUNDS):
        # pixels far from it are of spots that are not predicted, or bad
        expected = n * shape
        far = _FAR * np.sqrt(np.maximum(expected, 1.0)) + _DIFFERS * expected
        used = seen & (np.abs(counts - expected) <= far)
        shape = _profile(at, counts, n, used)
    out = np.ones(sums.n.shape)
    for panel in experiment.detector.panels:
        own = panel.slices
        near = used[own]
        total, model = (
            window**2
            * scipy.ndimage.uniform_filter(np.where(near, v, 0.0), window, mode="constant")
            for v in (counts[own], (n * shape)[own])
        )
        factor = (total + _KNOWN) / (model + _KNOWN)
        known = np.isfinite(at[own]) & (shape[own] > 0)
        out[own] = np.where(known, shape[own] * factor, 1.0)
    return out


def _profile(at: Floats, counts: Floats, n: Floats, seen: NDArray[np.bool_]) -> Floats:
    """Return the mean along the scattering angle, in steps of a pixel, at each pixel."""
    place = np.where(seen, at, 0.0)
    bins = np.floor(place[seen]).astype(np.int64)
    total, frames = np.bincount(bins, counts[seen]), np.bincount(bins, n[seen])
    centre = np.bincount(bins, place[seen] * n[seen])
    some = frames > 0
    if not some.any():
        return np.zeros(at.shape)
    centres, means = centre[some] / frames[some], total[some] / frames[some]
    return np.asarray(np.interp(np.where(np.isfinite(at), at, 0.0), centres, means))


def radii(experiment: Experiment, shape: tuple[int, ...]) -> Floats:
    """Return scattering angles (slow, fast) in units of a pixel's; NaN between panels."""
    out, s0 = np.full(shape, np.nan), experiment.beam.s0
    detector: Detector = experiment.detector
    step = min(
        min(p.pixel_size) / max(abs(float(np.dot(p.origin, p.normal))), 1e-3)
        for p in detector.panels
    )
    for panel in detector.panels:
        width, height = panel.image_size
        xy = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1)
        rays = panel.lab_coordinates(panel.pixel_to_mm(xy.reshape(-1, 2)))
        cos = rays @ s0 / (np.linalg.norm(rays, axis=1) * np.linalg.norm(s0))
        out[panel.slices] = (np.arccos(np.clip(cos, -1.0, 1.0)) / step).reshape(height, width)
    return out
