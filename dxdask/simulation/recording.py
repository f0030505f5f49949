"""Frames of a counting detector: background, noise, gain switch, saturation, bad pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models import Detector
from dxdask.simulation.geometry import frame_size, module_rows
from dxdask.simulation.parameters import (
    BackgroundParameters,
    DetectorParameters,
    GainSwitchParameters,
)

GAP_VALUE = 65535
MASK_GAP, MASK_DEAD, MASK_NOISY = 1, 2, 16


@dataclass(frozen=True, kw_only=True, slots=True)
class BadPixels:
    """Bad pixels: (n, 2) int64 (slow, fast), and those of them that are in the mask.

    hot_level : (n,) photons per frame, independent of the transmission.
    """

    dead: NDArray[np.int64]
    dead_listed: NDArray[np.bool_]
    hot: NDArray[np.int64]
    hot_listed: NDArray[np.bool_]
    hot_level: Floats


def generator(*key: int) -> np.random.Generator:
    """Return the random generator of this key, independent of earlier draws."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(list(key))))


def bad_pixels(parameters: DetectorParameters, seed: int) -> BadPixels:
    """Return dead and hot pixels at random positions on the modules."""
    rng = generator(seed, 2)
    live = np.argwhere(~gaps(parameters))
    chosen = live[rng.choice(len(live), parameters.n_dead + parameters.n_hot, replace=False)]
    return BadPixels(
        dead=chosen[: parameters.n_dead],
        dead_listed=np.arange(parameters.n_dead) % 2 == 0,
        hot=chosen[parameters.n_dead :],
        hot_listed=np.arange(parameters.n_hot) % 2 == 0,
        hot_level=np.exp(rng.uniform(np.log(20.0), np.log(5000.0), parameters.n_hot)),
    )


def gaps(parameters: DetectorParameters) -> NDArray[np.bool_]:
    """Return True (slow, fast) in the gaps between modules."""
    width, height = frame_size(parameters)
    empty = np.ones((height, width), dtype=bool)
    for rows in module_rows(parameters):
        empty[rows] = False
    return empty


def pixel_mask(parameters: DetectorParameters, bad: BadPixels) -> NDArray[np.uint32]:
    """Return the mask (slow, fast) uint32 with NXmx's bits: 1 gap, 2 dead, 16 noisy; 0 is good."""
    mask = np.where(gaps(parameters), np.uint32(MASK_GAP), np.uint32(0))
    mask[tuple(bad.dead[bad.dead_listed].T)] |= np.uint32(MASK_DEAD)
    mask[tuple(bad.hot[bad.hot_listed].T)] |= np.uint32(MASK_NOISY)
    return mask


def background(
    parameters: BackgroundParameters,
    detector: Detector,
    *,
    shape: tuple[int, int],
    wavelength: float,
) -> Floats:
    """Return the background (slow, fast), photons per pixel at full transmission; 0 in gaps."""
    out = np.zeros(shape)
    for panel in detector.panels:
        width, height = panel.image_size
        y, x = np.mgrid[0:height, 0:width] + 0.5
        centres = np.stack([x.ravel(), y.ravel()], axis=1) * panel.pixel_size
        points = panel.lab_coordinates(centres)
        two_theta = np.arccos(np.clip(-points[:, 2] / np.linalg.norm(points, axis=1), -1.0, 1.0))
        q = 2 * np.sin(two_theta / 2) / wavelength
        air = np.exp(-0.5 * (two_theta / np.deg2rad(parameters.radial_sigma)) ** 2)
        ring = np.exp(-0.5 * ((q - 1 / parameters.ring_d) / parameters.ring_sigma) ** 2)
        level = parameters.flat + parameters.radial * air + parameters.ring * ring
        out[panel.slices] = level.reshape(height, width)
    return out


def switched(counts: NDArray[np.int64], switch: GainSwitchParameters) -> NDArray[np.int64]:
    """Return the counts recorded by a detector with an error of its second gain."""
    if not switch.enabled:
        return counts
    wrong = np.rint(switch.factor * counts).astype(np.int64) + switch.offset
    return np.where(counts >= switch.threshold, wrong, counts)


def recorded(
    expected: Floats,
    rng: np.random.Generator,
    *,
    parameters: DetectorParameters,
    bad: BadPixels,
    empty: NDArray[np.bool_],
) -> NDArray[np.uint16]:
    """Return one frame (slow, fast) uint16 for the photons expected (slow, fast)."""
    photons = expected.copy()
    photons[tuple(bad.hot.T)] += bad.hot_level
    counts = switched(rng.poisson(photons), parameters.gain_switch)
    counts = np.minimum(counts, parameters.saturation)
    counts[tuple(bad.dead.T)] = 0
    counts[empty] = GAP_VALUE
    return counts.astype(np.uint16)
