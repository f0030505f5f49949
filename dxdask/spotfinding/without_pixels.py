"""Spots without some pixels: what is left of a spot may be none, smaller, or several."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Integers
from dxdask.models import Experiment
from dxdask.spotfinding.extract import Pixels, concatenate_pixels
from dxdask.spotfinding.images import is_two_d
from dxdask.spotfinding.keys import keys_of
from dxdask.spotfinding.label import label_pixels
from dxdask.spotfinding.offsets import offsets_of
from dxdask.spotfinding.parameters import SpotfinderParameters
from dxdask.spotfinding.spot_lists import divide, take_spots


def without_pixels(
    pixels: Pixels,
    offsets: Integers,
    key: Integers,
    experiment: Experiment,
    parameters: SpotfinderParameters,
    *,
    limits: tuple[int, int],
) -> tuple[Pixels, Integers]:
    """Return spots without the pixels of these keys (indices among those of all panels).

    A hot pixel joins the spots that it lies on: their other pixels are labelled again.

    pixels, offsets : spot by spot, (spots + 1,) first pixel of each. limits : smallest and largest
    number of pixels of a spot that is kept.
    """
    _, own = keys_of(pixels, experiment.detector)
    is_bad = np.isin(own, key)
    spot = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    touched = np.zeros(len(offsets) - 1, np.bool_)
    touched[spot[is_bad]] = True
    if not touched.any():
        return pixels, offsets
    rest = touched[spot] & ~is_bad
    left = _taken(pixels, rest)
    order = np.lexsort((own[rest], left.z))
    relabelled, new_offsets = _labelled(_taken(left, order), experiment, parameters, limits)
    kept, kept_offsets = take_spots(pixels, offsets, np.flatnonzero(~touched))
    lengths = np.concatenate([np.diff(kept_offsets), np.diff(new_offsets)])
    return concatenate_pixels([kept, relabelled]), offsets_of(lengths)


def _taken(p: Pixels, which: NDArray[Any]) -> Pixels:
    return Pixels(p.panel[which], p.x[which], p.y[which], p.z[which], p.value[which])


def _labelled(
    pixels: Pixels,
    experiment: Experiment,
    parameters: SpotfinderParameters,
    limits: tuple[int, int],
) -> tuple[Pixels, Integers]:
    """Return pixels, in order of z and key, spot by spot."""
    if not pixels.z.size:
        return pixels, np.zeros(1, np.int64)
    width, key = keys_of(pixels, experiment.detector)
    first, last = int(pixels.z[0]), int(pixels.z[-1])
    frame_offsets = np.searchsorted(pixels.z, np.arange(first, last + 2)).astype(np.int64)
    two_d = is_two_d(experiment, parameters)
    label, n = label_pixels(key, pixels.x, pixels.y, width, frame_offsets, two_d=two_d)
    divided = divide(pixels, label, n, limits=limits, ends=None)
    return divided.closed, divided.offsets
