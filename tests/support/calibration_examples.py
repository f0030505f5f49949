"""A small detector with pedestal, noise, gain, common mode and bad pixels that are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.models import Detector, Panel

SHAPE = (128, 96)


def two_panels() -> Detector:
    """Return two panels of 64 x 96 pixels, one below the other."""
    return Detector(
        panels=tuple(
            Panel(name=f"p{i}", image_size=(96, 64), offset=(0, 64 * i), gain=7.0) for i in range(2)
        )
    )


@dataclass(frozen=True)
class RawRun:
    """Frames as recorded, and what they were made of; arrays (slow, fast), cm (n, panel)."""

    detector: Detector
    dark: NDArray[np.uint16]
    frames: NDArray[np.uint16]
    photons: NDArray[np.int64]
    pedestal: NDArray[np.float64]
    gain: NDArray[np.float64]
    common_mode: NDArray[np.float64]
    bad: NDArray[np.bool_]
    unbonded: NDArray[np.bool_]


def raw_run(
    seed: int = 1, *, n_dark: int = 40, n: int = 12, background: float = 1.0, noise: float = 2.0
) -> RawRun:
    """Return a run of frames with this mean of background photons a pixel."""
    rng = np.random.default_rng(seed)
    pedestal = rng.normal(1000.0, 40.0, SHAPE)
    gain = 7.0 * (1.0 + rng.normal(0.0, 0.01, SHAPE))
    unbonded = np.zeros(SHAPE, dtype=np.bool_)
    unbonded[::5, ::7] = True
    bad = np.zeros(SHAPE, dtype=np.bool_)
    bad[3, 4] = bad[70, 9] = bad[90, 31] = bad[20, 52] = True

    def recorded(photons: NDArray[Any], cm: NDArray[Any]) -> NDArray[np.uint16]:
        values = pedestal + np.repeat(cm, 64, axis=1)[:, :, None] + gain * photons
        values = np.rint(values + rng.normal(0.0, noise, values.shape))
        values[:, 3, 4], values[:, 70, 9] = 0, 1000
        values[:, 90, 31] += rng.normal(9000.0, 500.0, len(values)).round()
        values[:, 20, 52] += rng.normal(0.0, 60.0, len(values)).round()
        return np.clip(values, 0, 65535).astype(np.uint16)

    none = np.zeros((n_dark, *SHAPE))
    dark = recorded(none, rng.normal(0.0, 6.0, (n_dark, 2)))
    photons = rng.poisson(background, (n, *SHAPE)) * ~unbonded
    photons[:, 30, 30] += 400
    common_mode = rng.normal(0.0, 6.0, (n, 2))
    frames = recorded(photons, common_mode)
    return RawRun(two_panels(), dark, frames, photons, pedestal, gain, common_mode, bad, unbonded)
