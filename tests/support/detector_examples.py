"""Frames of a detector whose bad pixels are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from support.spot_examples import experiment_for

from dxdask.models import Experiment, Panel

SHAPE = (96, 90)
DEAD = ((20, 20), (50, 61), (51, 61), (0, 45), (95, 89))
STUCK = ((70, 15),)
HOT = ((12, 70), (24, 60), (33, 30), (60, 0))
UNSTEADY = (80, 70)
UNTRUSTED = (40, 75)
COLUMN = 84  # from the top of the frame down to row 24
SHADOW = (slice(55, 75), slice(40, 56))


@dataclass(frozen=True, kw_only=True)
class Example:
    """Frames (frame, slow, fast), their experiment, mask, and the bad pixels: place -> reason."""

    frames: NDArray[np.int32]
    experiment: Experiment
    mask: NDArray[np.bool_]
    truth: dict[tuple[int, int], str]


def bad_detector(*, background: float = 2.0, n: int = 60, seed: int = 1, **panel: Any) -> Example:
    """Return frames of a sloping background, a shadow, a bright ring, spots that come and go, one
    that stays for a third of the scan, and bad pixels, of which one dead is known.
    """
    rng = np.random.default_rng(seed)
    slow, fast = np.indices(SHAPE)
    light = background * (1 + slow / SHAPE[0])
    light += 30 * background * (np.abs(np.hypot(slow - 110, fast - 45) - 80) < 1.8)
    frames = []
    spots = [(y, x, rng.integers(n), 2) for y, x in rng.uniform(3, 87, (80, 2))]
    spots.append((47.5, 20.2, n // 3, n // 3))
    for f in range(n):
        expected = light.copy()
        for y, x, first, length in spots:
            if first <= f < first + length:
                expected += 400 * np.exp(-0.5 * ((slow - y) ** 2 + (fast - x) ** 2) / 0.5)
        expected[SHADOW] = 0.0
        frames.append(rng.poisson(expected))
    counts = np.array(frames, np.int32)
    counts[:, *np.transpose(DEAD)] = 0
    counts[:, *np.transpose(STUCK)] = 3
    for i, place in enumerate(HOT):
        counts[:, *place] += rng.poisson(20.0 * 3**i, n)
    counts[:, *UNSTEADY] += np.where(rng.random(n) < 0.7, rng.integers(50, 900, n), 0)
    counts[:, *UNTRUSTED] = 70000
    counts[:, :24, COLUMN] += rng.poisson(60.0, (n, 24))
    truth = dict.fromkeys((*DEAD, *STUCK), "dead")
    truth |= dict.fromkeys((*HOT, UNSTEADY), "hot")
    truth |= {(y, COLUMN): "strong" for y in range(24)}
    truth |= {UNTRUSTED: "untrusted"}
    mask = np.ones(SHAPE, bool)
    mask[DEAD[0]] = False
    del truth[DEAD[0]]
    values: dict[str, Any] = {"trusted_range": (-1, 65535), **panel}
    only = Panel(image_size=SHAPE[::-1], **values)
    experiment = experiment_for(counts, panels=(only,), first_image=11)
    return Example(frames=counts, experiment=experiment, mask=mask, truth=truth)
