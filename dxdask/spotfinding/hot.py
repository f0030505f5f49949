"""Hot pixels: strong on every image, as no reflection is for a whole run.

`combine_hot` of the candidates of consecutive blocks is that of all their frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Integers
from dxdask.models import Detector
from dxdask.spotfinding.images import ZRange

FEWEST_IMAGES = 2


class Candidates(NamedTuple):
    """Keys (n,), ascending, of the pixels strong on all of `n_images` images."""

    n_images: int
    keys: Integers


Hot: TypeAlias = Mapping[ZRange, Candidates]
"""Candidates of each range of images first <= z < stop that is used."""


def hot_of_frames(
    key: Integers,
    frame_offsets: Integers,
    frames: Iterable[int],
    *,
    first_z: int,
    ranges: Sequence[ZRange],
) -> Hot:
    """Return the pixels that are strong on all `frames`, by ranges of images.

    key : (n,) index of each strong pixel among those of all panels, ascending in each frame.
    frame_offsets : (frames + 1,) first pixel of each frame. frames : indices from 0 of the frames
    that could be used, in order. first_z : z of frame 0. ranges : of images to use.
    """
    found: dict[ZRange, Candidates] = {}
    for f in frames:
        strong = Candidates(1, key[frame_offsets[f] : frame_offsets[f + 1]])
        for low, high in ranges:
            if low <= first_z + f < high:
                before = found.get((low, high))
                found[low, high] = strong if before is None else _both(before, strong)
    return found


def combine_hot(parts: Sequence[Hot]) -> Hot:
    """Return the candidates in all frames of several blocks."""
    found: dict[ZRange, Candidates] = {}
    for part in parts:
        for limits, here in part.items():
            found[limits] = _both(found[limits], here) if limits in found else here
    return found


def _both(a: Candidates, b: Candidates) -> Candidates:
    keys = np.intersect1d(a.keys, b.keys, assume_unique=True)
    return Candidates(a.n_images + b.n_images, keys)


def hot_mask(hot: Hot, detector: Detector, frame_shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask (slow, fast) of the stored frame, False where a pixel is hot.

    A pixel is hot if it is strong on all usable images of a range, of at least two: on a single
    image every strong pixel would be hot (as it is in DIALS).
    """
    mask = np.ones(frame_shape, np.bool_)
    ranges = [c.keys for c in hot.values() if c.n_images >= FEWEST_IMAGES]
    keys = np.unique(np.concatenate(ranges)) if ranges else np.empty(0, np.int64)
    start = 0
    for panel in detector.panels:
        width, height = panel.image_size
        stop = start + width * height
        own = keys[(keys >= start) & (keys < stop)] - start
        mask[panel.slices][own // width, own % width] = False
        start = stop
    return mask
