"""Spots of a block of consecutive frames, some of which may continue in the blocks next to it.

`combine_parts` of the parts of consecutive blocks is the part of all their frames, however they
are divided. Spots that reach neither the first nor the last frame are closed: complete, and kept
only if their size is within the limits, so that a part stays small.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Integers, Mask
from dxdask.errors import InputError
from dxdask.models import Detector, Experiment
from dxdask.models.pixel_maps import PixelMaps
from dxdask.spotfinding.adjacency import adjacent_labels
from dxdask.spotfinding.extract import (
    BlockPixels,
    FramePiece,
    Pixels,
    concatenate_pixels,
    strong_pixels,
)
from dxdask.spotfinding.hot import Hot, combine_hot, hot_of_frames
from dxdask.spotfinding.images import ZRange, is_two_d, is_used
from dxdask.spotfinding.keys import keys_of
from dxdask.spotfinding.label import combine_labels, label_pixels
from dxdask.spotfinding.offsets import offsets_of
from dxdask.spotfinding.parameters import SpotfinderParameters
from dxdask.spotfinding.pixel_evidence import PixelEvidence, combine_evidence
from dxdask.spotfinding.spot_lists import divide
from dxdask.spotfinding.workspaces import Workspace


class ImageRecords(NamedTuple):
    """Photons, background and reasons of images.

    Attributes
    ----------
    z : (frames,) of the frames that were used.
    n_strong : (frames,) strong pixels on each.
    background : (frames,) mean of the other valid pixels, photons; NaN where not known.
    reasons : z -> reason why that frame could not be used.
    hot : the pixels strong on all of them; empty without `write_hot_mask`.
    saturated : the saturated pixels.
    evidence : for bad pixels; None without `mask_bad_pixels`.
    """

    z: Integers
    n_strong: Integers
    background: NDArray[np.float64]
    reasons: dict[int, str]
    hot: Hot
    saturated: Pixels
    evidence: PixelEvidence | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SpotPart:
    """Spots of frames first <= z < stop.

    Attributes
    ----------
    closed : pixels of the complete spots of the right size, spot by spot.
    offsets : (spots + 1,) first pixel of each.
    open : pixels of the spots that reach the first or the last frame, in order of z, panel, y, x.
    label : the open spot of each of these, numbered from 0.
    images : records of the images.
    sizes : numbers of complete spots: in all, too small, too large.
    size_limits : smallest and largest number of pixels of a spot that is kept.
    """

    first: int
    stop: int
    closed: Pixels
    offsets: Integers
    open: Pixels
    label: Integers
    images: ImageRecords
    sizes: tuple[int, int, int]
    size_limits: tuple[int, int]


def spots_of_block(
    pieces: Iterable[FramePiece],
    experiment: Experiment,
    masks: Sequence[Mask],
    parameters: SpotfinderParameters,
    *,
    first_z: int,
    n_frames: int,
    ranges: Sequence[ZRange] = (),
    maps: PixelMaps | None = None,
    workspace: Workspace | None = None,
) -> SpotPart:
    """Return the spots of `n_frames` consecutive frames, the first at z = first_z.

    pieces : the frames in order; one piece is in memory at a time. masks : one (slow, fast) per
    panel, True is good. ranges : of z to use, all if empty; pieces wholly outside may be missing.
    maps : gain and pedestal of single pixels, in place of the panels'.
    workspace : used for this run only; it may hold the frames.
    """
    skip = [f for f in range(n_frames) if ranges and not is_used(first_z + f, ranges)]
    block = strong_pixels(
        pieces, experiment, masks, parameters,
        first_z=first_z, n_frames=n_frames, skip=frozenset(skip), maps=maps,
        workspace=workspace,
    )  # fmt: skip
    p, detector = block.pixels, experiment.detector
    width, key = keys_of(p, detector)
    two_d = is_two_d(experiment, parameters)
    label, n = label_pixels(key, p.x, p.y, width, block.frame_offsets, two_d=two_d)
    everything = ranges or ((first_z, first_z + n_frames),)
    return _part(
        p, label, n,
        first=first_z, stop=first_z + n_frames,
        images=_images(block, key, first_z, everything if parameters.write_hot_mask else ()),
        limits=size_limits(detector, parameters), two_d=two_d,
    )  # fmt: skip


def _images(
    block: BlockPixels, key: Integers, first_z: int, hot_ranges: Sequence[ZRange]
) -> ImageRecords:
    used = np.flatnonzero(block.used)
    usable = [f for f in used.tolist() if f not in block.reasons] if hot_ranges else []
    return ImageRecords(
        z=used + first_z,
        n_strong=block.n_strong[used],
        background=block.background[used],
        reasons={f + first_z: reason for f, reason in block.reasons.items()},
        hot=hot_of_frames(key, block.frame_offsets, usable, first_z=first_z, ranges=hot_ranges),
        saturated=block.saturated,
        evidence=block.evidence,
    )


def size_limits(detector: Detector, parameters: SpotfinderParameters) -> tuple[int, int]:
    """Return the smallest and largest number of pixels of a spot.

    Raises
    ------
    InputError
        The largest is below the smallest for this kind of detector.
    """
    smallest, largest = parameters.filter.min_spot_size, parameters.filter.max_spot_size
    if smallest is None:
        smallest = 3 if detector[0].type == "SENSOR_PAD" else 6
    if largest < smallest:
        raise InputError(
            f"filter.max_spot_size={largest} is below {smallest}, the smallest size of a spot on a "
            f"{detector[0].type}: no spot would be kept; give filter.min_spot_size too"
        )
    return smallest, largest


def combine_parts(parts: Sequence[SpotPart]) -> SpotPart:
    """Return the part of all frames of `parts`, which are consecutive."""
    if len(parts) == 1:
        return parts[0]
    counts = offsets_of([_n_open(p) for p in parts])
    pairs = [_face(a, b) + counts[[i, i + 1]] for i, (a, b) in enumerate(pairwise(parts))]
    combined, n = combine_labels(int(counts[-1]), np.concatenate(pairs))
    labels = [combined[p.label + start] for p, start in zip(parts, counts, strict=False)]
    whole = _part(
        concatenate_pixels([p.open for p in parts]), np.concatenate(labels), n,
        first=parts[0].first, stop=parts[-1].stop,
        images=_join_images([p.images for p in parts]),
        limits=parts[0].size_limits, two_d=False,
    )  # fmt: skip
    return _with_closed([*parts, whole])


def close_part(part: SpotPart) -> SpotPart:
    """Return the part with all spots closed: there are no frames before or after it."""
    rest = _part(
        part.open, part.label, _n_open(part),
        first=part.first, stop=part.stop, images=part.images,
        limits=part.size_limits, two_d=True,
    )  # fmt: skip
    return _with_closed([part, rest])


def _with_closed(parts: Sequence[SpotPart]) -> SpotPart:
    """Return the last part with the closed spots of all parts."""
    last = parts[-1]
    sizes = np.sum([p.sizes for p in parts], axis=0).tolist()
    lengths = np.concatenate([np.diff(p.offsets) for p in parts])
    return replace(
        last,
        closed=concatenate_pixels([p.closed for p in parts]),
        offsets=offsets_of(lengths),
        sizes=(sizes[0], sizes[1], sizes[2]),
    )


def _join_images(parts: Sequence[ImageRecords]) -> ImageRecords:
    return ImageRecords(
        z=np.concatenate([p.z for p in parts]),
        n_strong=np.concatenate([p.n_strong for p in parts]),
        background=np.concatenate([p.background for p in parts]),
        reasons={z: reason for p in parts for z, reason in p.reasons.items()},
        hot=combine_hot([p.hot for p in parts]),
        saturated=concatenate_pixels([p.saturated for p in parts]),
        evidence=combine_evidence([p.evidence for p in parts]),
    )


def _part(
    pixels: Pixels,
    label: Integers,
    n: int,
    *,
    first: int,
    stop: int,
    images: ImageRecords,
    limits: tuple[int, int],
    two_d: bool,
) -> SpotPart:
    """Return the part with these pixels of `n` spots, divided into open and closed ones."""
    divided = divide(pixels, label, n, limits=limits, ends=None if two_d else (first, stop - 1))
    return SpotPart(first=first, stop=stop, images=images, size_limits=limits, **divided._asdict())


def _n_open(part: SpotPart) -> int:
    return int(part.label.max()) + 1 if part.label.size else 0


def _face(a: SpotPart, b: SpotPart) -> Integers:
    """Return the pairs (n, 2) of adjacent open spots of `a` and of `b`."""
    if not (a.open.z.size and b.open.z.size) or a.open.z[-1] + 1 != b.open.z[0]:
        return np.empty((0, 2), np.int64)
    return adjacent_labels(a.open, a.label, b.open, b.label)
