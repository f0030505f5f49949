"""Rings of one pixel about the beam, and the background on each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.models import Beam, Detector
from dxdask.models.vectors import unit

PASSES = 5


@dataclass(frozen=True, slots=True)
class BeamRings:
    """Rings of a detector, the same for all frames.

    Attributes
    ----------
    ring : (slow, fast) int32 of the stored frame, the ring of each pixel; -1 where it is masked
        or on no panel.
    sample : (m,) int32 flat indices of pixels, ring by ring, from which the background is computed.
    offsets : (rings + 1,) first of these of each ring.
    """

    ring: NDArray[np.int32]
    sample: NDArray[np.int32]
    offsets: NDArray[np.int64]


def beam_rings(
    detector: Detector, beam: Beam, mask: NDArray[np.bool_], ring_pixels: int
) -> BeamRings:
    """Return the rings, as wide as a pixel at the mean distance of the panels.

    mask : (slow, fast) of the stored frame, True is good. ring_pixels : largest number of pixels
    of a ring in the sample, which is even.
    """
    ring = np.full(mask.shape, -1, np.int32)
    along = -unit(beam.direction)
    distance = float(np.mean([p.distance for p in detector.panels]))
    width = min(min(p.pixel_size) for p in detector.panels)
    for panel in detector.panels:
        fast, slow = panel.image_size
        y, x = np.mgrid[0.5:slow, 0.5:fast]
        xy = np.stack([x.ravel(), y.ravel()], axis=1) * panel.pixel_size
        point = panel.lab_coordinates(xy)
        depth = point @ along
        across = np.linalg.norm(point - depth[:, None] * along, axis=1)
        with np.errstate(divide="ignore"):
            radius = across / np.where(depth > 0.0, depth, np.nan) * distance / width
        # pixels at or near backscattering share one ring far out
        rings = np.nan_to_num(np.minimum(radius, 1e5), nan=1e5).astype(np.int32)
        ring[panel.slices] = np.where(mask[panel.slices], rings.reshape(slow, fast), -1)
    flat = ring.reshape(-1)
    used, dense = np.unique(flat[flat >= 0], return_inverse=True)
    flat[flat >= 0] = dense
    pixels = np.flatnonzero(flat >= 0)
    pixels = pixels[np.argsort(flat[pixels], kind="stable")]
    counts = np.bincount(flat[pixels], minlength=len(used))
    first = np.cumsum(counts) - counts
    place = np.arange(len(pixels)) - np.repeat(first, counts)
    most = np.repeat(np.maximum(counts, 1), counts)
    # every (count / ring_pixels)-th pixel of a ring, or all
    kept = (most <= ring_pixels) | (
        (place + 1) * ring_pixels // most != place * ring_pixels // most
    )
    offsets = np.zeros(len(used) + 1, np.int64)
    np.cumsum(np.bincount(flat[pixels[kept]], minlength=len(used)), out=offsets[1:])
    return BeamRings(ring, pixels[kept].astype(np.int32), offsets)


@njit(cache=True, nogil=True, error_model="numpy")
def ring_thresholds(
    frame: Any, sample: Any, offsets: Any, snr: float, lowest: float, out: Any
) -> None:
    """Write to out (rings,) the thresholds of pixels of peaks: mean + snr sigma of each ring.

    Mean and sigma are those of pixels within snr sigma of the mean of the pass before, in five
    passes. frame : flat. lowest : the threshold is at least this.
    """
    most = 0
    for r in range(out.shape[0]):
        most = max(most, offsets[r + 1] - offsets[r])
    values = np.empty(most)
    for r in range(out.shape[0]):
        n = offsets[r + 1] - offsets[r]
        for k in range(n):
            values[k] = frame[sample[offsets[r] + k]]
        low, high = -np.inf, np.inf
        mean, sigma = 0.0, 0.0
        for _ in range(PASSES):
            count, total, squares = 0, 0.0, 0.0
            for k in range(n):
                v = values[k]
                # NaN is not between any two numbers
                if low <= v <= high:
                    count += 1
                    total += v
                    squares += v * v
            if count == 0:
                break
            mean = total / count
            sigma = np.sqrt(max(squares / count - mean * mean, 0.0))
            low, high = mean - snr * sigma, mean + snr * sigma
        out[r] = max(lowest, mean + snr * sigma) if n else np.inf


@njit(cache=True, nogil=True, error_model="numpy")
def has_untrusted(image: Any, good: Any, low: float, high: float) -> bool:
    """Return True if a good pixel (slow, fast) is not strictly between low and high."""
    for y in range(image.shape[0]):
        n = 0
        for x in range(image.shape[1]):
            n += good[y, x] & (not (low < image[y, x] < high))
        if n:
            return True
    return False
