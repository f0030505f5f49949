"""Spots of a stretch of frames, some of which may go on before or behind it.

Merge law: `join_parts` of the parts of consecutive stretches is the part of the whole. Spots that
touch
neither end are closed: complete, and kept only if their size is right, so that a part stays small.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.models import Detector
from dxdask.spotfinding.extract import Mask, Pixels, join_pixels, strong_pixels, take_pixels
from dxdask.spotfinding.label import label_pixels, merge_labels
from dxdask.spotfinding.parameters import SpotfinderParameters

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class SpotPart:
    """Spots of frames first <= z < stop.

    Attributes
    ----------
    closed : pixels of the complete spots of the right size, spot by spot.
    offsets : (spots + 1,) where the pixels of each begin.
    open : pixels of the spots that touch an end, in order of z, panel, y, x.
    label : which open spot each of these is of, numbers from 0.
    z : (frames,) of the frames that were looked at.
    n_strong : (frames,) strong pixels on each.
    sizes : complete spots: how many in all, too small, too large.
    size_limits : smallest and largest number of pixels of a spot that is kept.
    reasons : z -> why that frame was left out.
    """

    first: int
    stop: int
    closed: Pixels
    offsets: Ints
    open: Pixels
    label: Ints
    z: Ints
    n_strong: Ints
    sizes: tuple[int, int, int]
    size_limits: tuple[int, int]
    reasons: dict[int, str]


def spots_of_block(
    frames: NDArray[Any],
    detector: Detector,
    masks: Sequence[Mask],
    parameters: SpotfinderParameters,
    *,
    first_z: int,
    two_d: bool,
    skip: Collection[int] = (),
    unread: Mapping[int, str] = MappingProxyType({}),
) -> SpotPart:
    """Return the spots of consecutive frames (frame, slow, fast), the first at z = first_z.

    masks : one (slow, fast) a panel, True is good. two_d : whether spots end with their frame.
    skip : frames not to be looked at. unread : frames that could not be read, and why.
    """
    left_out = frozenset((*skip, *unread))
    block = strong_pixels(frames, detector, masks, parameters, first_z=first_z, skip=left_out)
    reasons = {f: r for f, r in {**block.reasons, **unread}.items() if f not in skip}
    p = block.pixels
    widths = np.array([panel.image_size[0] for panel in detector.panels], np.int32)
    areas = np.array([panel.image_size[0] * panel.image_size[1] for panel in detector.panels])
    starts = np.cumsum(areas) - areas
    width = widths[p.panel]
    key = np.asarray(starts[p.panel] + p.y.astype(np.int64) * width + p.x, np.int64)
    label, n = label_pixels(key, p.x, p.y, width, block.frame_offsets, two_d=two_d)
    used = np.array([f for f in range(len(frames)) if f not in skip], np.int64)
    return _part(
        p, label, n,
        first=first_z, stop=first_z + len(frames), z=used + first_z, n_strong=block.n_strong[used],
        limits=size_limits(detector, parameters), two_d=two_d,
        reasons={f + first_z: reason for f, reason in reasons.items()},
    )  # fmt: skip


def size_limits(detector: Detector, parameters: SpotfinderParameters) -> tuple[int, int]:
    """Return the smallest and largest number of pixels of a spot."""
    smallest = parameters.filter.min_spot_size
    if smallest is None:
        smallest = 3 if detector[0].type == "SENSOR_PAD" else 6
    return smallest, parameters.filter.max_spot_size


def join_parts(parts: Sequence[SpotPart]) -> SpotPart:
    """Return the part of all frames of `parts`, which are in order."""
    if len(parts) == 1:
        return parts[0]
    counts = np.concatenate([[0], np.cumsum([_n_open(p) for p in parts])]).astype(np.int64)
    pairs = [_face(a, b) + counts[[i, i + 1]] for i, (a, b) in enumerate(pairwise(parts))]
    merged, n = merge_labels(int(counts[-1]), np.concatenate(pairs))
    labels = [merged[p.label + start] for p, start in zip(parts, counts, strict=False)]
    whole = _part(
        join_pixels([p.open for p in parts]), np.concatenate(labels), n,
        first=parts[0].first, stop=parts[-1].stop,
        z=np.concatenate([p.z for p in parts]),
        n_strong=np.concatenate([p.n_strong for p in parts]),
        limits=parts[0].size_limits, two_d=False,
        reasons={z: reason for p in parts for z, reason in p.reasons.items()},
    )  # fmt: skip
    return _with_closed([*parts, whole])


def close_part(part: SpotPart) -> SpotPart:
    """Return the part with nothing open: there are no frames before or behind it."""
    rest = _part(
        part.open, part.label, _n_open(part),
        first=part.first, stop=part.stop, z=part.z, n_strong=part.n_strong,
        limits=part.size_limits, two_d=True, reasons=part.reasons,
    )  # fmt: skip
    return _with_closed([part, rest])


def _with_closed(parts: Sequence[SpotPart]) -> SpotPart:
    """Return the last part with the closed spots of all."""
    last = parts[-1]
    sizes = np.sum([p.sizes for p in parts], axis=0).tolist()
    lengths = np.concatenate([np.diff(p.offsets) for p in parts])
    return SpotPart(
        first=last.first, stop=last.stop, open=last.open, label=last.label, z=last.z,
        n_strong=last.n_strong, size_limits=last.size_limits, reasons=last.reasons,
        closed=join_pixels([p.closed for p in parts]),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        sizes=(sizes[0], sizes[1], sizes[2]),
    )  # fmt: skip


def _part(
    pixels: Pixels,
    label: Ints,
    n: int,
    *,
    first: int,
    stop: int,
    z: Ints,
    n_strong: Ints,
    limits: tuple[int, int],
    two_d: bool,
    reasons: dict[int, str],
) -> SpotPart:
    """Return the part with these pixels of `n` spots, divided into open and closed ones."""
    is_open = np.zeros(n, np.bool_)
    if not two_d:
        is_open[label[(pixels.z == first) | (pixels.z == stop - 1)]] = True
    size = np.bincount(label, minlength=n)
    right = (size >= limits[0]) & (size <= limits[1])
    kept = np.flatnonzero((~is_open & right)[label])
    kept = kept[np.argsort(label[kept], kind="stable")]
    lengths = size[~is_open & right]
    remain = is_open[label]
    renumber = np.cumsum(is_open) - 1
    closed_size = size[~is_open]
    n_small, n_large = int((closed_size < limits[0]).sum()), int((closed_size > limits[1]).sum())
    return SpotPart(
        first=first, stop=stop, z=z, n_strong=n_strong, size_limits=limits, reasons=reasons,
        closed=take_pixels(pixels, kept),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        open=take_pixels(pixels, remain),
        label=renumber[label[remain]].astype(np.int64),
        sizes=(int(closed_size.size), n_small, n_large),
    )  # fmt: skip


def _n_open(part: SpotPart) -> int:
    return int(part.label.max()) + 1 if part.label.size else 0


def _face(a: SpotPart, b: SpotPart) -> Ints:
    """Return the pairs (n, 2) of open spots of `a` and of `b` that share a face between them."""
    if a.stop != b.first:
        return np.empty((0, 2), np.int64)
    i, j = np.flatnonzero(a.open.z == a.stop - 1), np.flatnonzero(b.open.z == b.first)
    span = int(max(p.x.max(initial=0) for p in (a.open, b.open))) + 1
    tall = int(max(p.y.max(initial=0) for p in (a.open, b.open))) + 1

    def place(p: Pixels, k: Ints) -> Ints:
        return (p.panel[k].astype(np.int64) * tall + p.y[k]) * span + p.x[k]

    _, left, right = np.intersect1d(place(a.open, i), place(b.open, j), True, return_indices=True)
    return np.stack([a.label[i[left]], b.label[j[right]]], axis=1)
