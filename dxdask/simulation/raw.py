"""Frames in ADU of a detector that is not calibrated: pedestal, gain and common mode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.simulation.geometry import module_rows
from dxdask.simulation.parameters import LARGEST_RAW, DetectorParameters
from dxdask.simulation.recording import GAP_VALUE, BadPixels, gaps, generator


@dataclass(frozen=True, kw_only=True, slots=True)
class RawPixels:
    """Calibration of the pixels, each (slow, fast).

    Attributes
    ----------
    pedestal : float32, ADU. gain : float32, ADU a photon. unbonded : true without sensor contact.
    """

    pedestal: NDArray[np.float32]
    gain: NDArray[np.float32]
    unbonded: NDArray[np.bool_]


def raw_pixels(parameters: DetectorParameters, bad: BadPixels, seed: int) -> RawPixels:
    """Return random pedestals and gains, and random unbonded pixels, none of them bad."""
    raw, empty = parameters.raw, gaps(parameters)
    rng = generator(seed, 5)
    pedestal = raw.pedestal + raw.pedestal_spread * rng.standard_normal(empty.shape)
    gain = raw.gain * (1 + raw.gain_spread * rng.standard_normal(empty.shape))
    unbonded = np.zeros(empty.shape, dtype=np.bool_)
    taken = np.zeros(empty.shape, dtype=np.bool_)
    taken[tuple(np.concatenate([bad.dead, bad.hot]).T)] = True
    for rows in module_rows(parameters):
        free = np.argwhere(~taken[rows])
        chosen = free[rng.choice(len(free), raw.n_unbonded, replace=False)]
        unbonded[rows][tuple(chosen.T)] = True
    return RawPixels(
        pedestal=np.maximum(pedestal, 0.0).astype(np.float32),
        gain=gain.astype(np.float32),
        unbonded=unbonded,
    )


def common_modes(parameters: DetectorParameters, key: tuple[int, ...], n: int) -> Floats:
    """Return the offset of each module (n, module), ADU, in `n` frames of the run of this key."""
    seed, *run = key
    rng = generator(seed, 6, *run)
    shape = (n, len(parameters.module_shifts))
    return np.asarray(parameters.raw.common_mode * rng.standard_normal(shape))


def read_out(
    photons: NDArray[Any],
    pixels: RawPixels,
    common_mode: Floats,
    rng: np.random.Generator,
    *,
    parameters: DetectorParameters,
    bad: BadPixels,
) -> NDArray[np.uint16]:
    """Return a frame (slow, fast) uint16, ADU, for photons counted (slow, fast).

    Dead pixels are stuck at 0. common_mode : (module,) ADU.
    """
    counted = np.where(pixels.unbonded, 0, photons)
    value = pixels.pedestal + pixels.gain * counted
    for rows, offset in zip(module_rows(parameters), common_mode.tolist(), strict=True):
        value[rows] += offset
    value += parameters.raw.noise * rng.standard_normal(value.shape)
    value[tuple(bad.dead.T)] = 0
    out: NDArray[np.uint16] = np.clip(np.rint(value), 0, LARGEST_RAW).astype(np.uint16)
    out[gaps(parameters)] = GAP_VALUE
    return out
