"""The strong pixels of a block of frames, as a list."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.models import Detector, Panel
from dxdask.spotfinding.parameters import SpotfinderParameters
from dxdask.spotfinding.threshold import DispersionThreshold

Mask = NDArray[np.bool_]


class Pixels(NamedTuple):
    """Pixels (n,): panel, x (fast) and y (slow) in it, z (image), value in counts."""

    panel: NDArray[np.int32]
    x: NDArray[np.int32]
    y: NDArray[np.int32]
    z: NDArray[np.int32]
    value: NDArray[np.float64]


def take_pixels(pixels: Pixels, which: NDArray[Any]) -> Pixels:
    """Return the pixels given by a mask (n,) or by indices."""
    p = pixels
    return Pixels(p.panel[which], p.x[which], p.y[which], p.z[which], p.value[which])


class BlockPixels(NamedTuple):
    """What thresholding a block of frames gives.

    Attributes
    ----------
    pixels : the strong pixels, frame by frame, panel by panel, row by row.
    frame_offsets : (frames + 1,) where those of each frame begin.
    n_strong : (frames,) strong pixels found, also where there were too many to be used.
    reasons : frame of the block -> why it was not used.
    """

    pixels: Pixels
    frame_offsets: NDArray[np.int64]
    n_strong: NDArray[np.int64]
    reasons: dict[int, str]


def strong_pixels(
    frames: NDArray[Any],
    detector: Detector,
    masks: Sequence[Mask],
    parameters: SpotfinderParameters,
    *,
    first_z: int = 0,
    skip: Collection[int] = (),
) -> BlockPixels:
    """Return the strong pixels of frames (frame, slow, fast).

    masks : one (slow, fast) a panel, True is good. first_z : z of the first frame. skip : frames to
    leave out.
    """
    thresholds: dict[tuple[Any, ...], DispersionThreshold] = {}
    found: list[Pixels] = []
    n_strong = np.zeros(len(frames), np.int64)
    offsets = np.zeros(len(frames) + 1, np.int64)
    reasons: dict[int, str] = {}
    for f in range(len(frames)):
        kept: list[Pixels] = []
        if f not in skip:
            kept = [
                _of_panel(i, p, frames[f], masks[i], parameters, thresholds, first_z + f)
                for i, p in enumerate(detector.panels)
            ]
            n_strong[f] = sum(len(k.x) for k in kept)
            reason = _unusable(frames[f], detector, masks, parameters, int(n_strong[f]))
            if reason:
                reasons[f], kept = reason, []
        found += kept
        offsets[f + 1] = offsets[f] + sum(len(k.x) for k in kept)
    return BlockPixels(join_pixels(found), offsets, n_strong, reasons)


def join_pixels(parts: Sequence[Pixels]) -> Pixels:
    """Return the pixels of all parts in one list."""
    if not parts:
        none = np.empty(0, np.int32)
        return Pixels(none, none, none, none, np.empty(0, np.float64))
    p, x, y, z, v = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Pixels(p, x, y, z, v)


def _of_panel(
    index: int,
    panel: Panel,
    frame: NDArray[Any],
    mask: Mask,
    parameters: SpotfinderParameters,
    thresholds: dict[tuple[Any, ...], DispersionThreshold],
    z: int,
) -> Pixels:
    image = np.ascontiguousarray(frame[panel.slices])
    trusted = panel.trusted_range if parameters.filter.use_trusted_range else None
    if panel.pedestal:
        image = image - np.float64(panel.pedestal)
        trusted = (
            None if trusted is None else (trusted[0] - panel.pedestal, trusted[1] - panel.pedestal)
        )
    key = (image.shape, image.dtype, panel.gain)
    if key not in thresholds:
        thresholds[key] = _threshold(image, panel.gain, parameters)
    strong = thresholds[key](image, mask, trusted)
    n = int(_count(strong))
    x, y = np.empty(n, np.int32), np.empty(n, np.int32)
    value = np.empty(n, np.float64)
    _collect(strong, image, x, y, value)
    return Pixels(np.full(n, index, np.int32), x, y, np.full(n, z, np.int32), value)


def _threshold(
    image: NDArray[Any], gain: float, parameters: SpotfinderParameters
) -> DispersionThreshold:
    p = parameters.threshold.dispersion
    return DispersionThreshold(
        (image.shape[0], image.shape[1]),
        image.dtype,
        extended=parameters.threshold.algorithm == "dispersion_extended",
        kernel_size=p.kernel_size,
        sigma_background=p.sigma_background,
        sigma_strong=p.sigma_strong,
        min_local=p.min_local,
        global_threshold=p.global_threshold or 0.0,
        gain=gain * (1.0 if p.gain is None else p.gain),
    )


def _unusable(
    frame: NDArray[Any],
    detector: Detector,
    masks: Sequence[Mask],
    parameters: SpotfinderParameters,
    n_strong: int,
) -> str | None:
    """Return why a frame with that many strong pixels must be left out, or None."""
    fraction = parameters.filter.max_strong_pixel_fraction
    n_pixels = sum(p.image_size[0] * p.image_size[1] for p in detector.panels)
    allowed = math.ceil(fraction * n_pixels)
    if fraction < 1 and n_strong > allowed:
        return (
            f"{n_strong} strong pixels, more than the {allowed} that "
            f"filter.max_strong_pixel_fraction={fraction:g} allows; change the threshold"
        )
    if n_strong == 0 and not _has_good_pixel(frame, detector, masks, parameters):
        return "every pixel is masked or outside the trusted range"
    return None


def _has_good_pixel(
    frame: NDArray[Any],
    detector: Detector,
    masks: Sequence[Mask],
    parameters: SpotfinderParameters,
) -> bool:
    for panel, mask in zip(detector.panels, masks, strict=True):
        image = frame[panel.slices]
        good = mask
        if parameters.filter.use_trusted_range:
            low, high = panel.trusted_range
            good = mask & (image > low) & (image < high)
        if good.any():
            return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def _count(strong: Any) -> int:
    n = 0
    for j in range(strong.shape[0]):
        for i in range(strong.shape[1]):
            n += strong[j, i]
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def _collect(strong: Any, image: Any, x: Any, y: Any, value: Any) -> None:
    n = 0
    for j in range(strong.shape[0]):
        for i in range(strong.shape[1]):
            if strong[j, i]:
                x[n], y[n], value[n] = i, j, image[j, i]
                n += 1
