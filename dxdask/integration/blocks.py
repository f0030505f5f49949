"""Counts of a block of frames added up per reflection; no shoebox is kept.

Each frame is read once. Every reflection on it claims the pixels of its ellipsoid; then each pixel of its
box goes to its sums (its own foreground) or to its background (nobody's foreground). A reflection seen on
all its frames has its background fitted at once; the others carry a histogram of theirs to where blocks
meet.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import InputError
from dxdask.integration.background import backgrounds
from dxdask.integration.boxes import Ellipsoids
from dxdask.integration.collect import (
    NARROW,
    active_on_frames,
    collect,
    encode_backgrounds,
    sort_backgrounds,
)
from dxdask.integration.foreground import claim, nobody, release
from dxdask.integration.parameters import GlmParameters
from dxdask.integration.sums import N_FRAMES, N_SUMS, Sums, add_equal_rows, ordered, stack, take

# Background pixels gathered before they are turned into histograms (4 bytes each).
_BUDGET = 8_000_000


def sum_block(
    frames: NDArray[Any],
    first: int,
    shapes: Ellipsoids,
    mask: NDArray[np.bool_],
    trusted: tuple[float, float],
    glm: GlmParameters,
    *,
    unreadable: Container[int] = (),
) -> Sums:
    """Return what a block of frames says about the reflections on it.

    Parameters
    ----------
    frames : (n, slow, fast) integers, counts.
    first : index in the run of the first frame.
    shapes : of all reflections of the run.
    mask : (slow, fast), True is good.
    trusted : counts strictly between the two can be believed.
    unreadable : indices in the block of frames of which no pixel can be used.

    Raises
    ------
    InputError
        Frames are not integers, or differ in shape from the mask or the detector.
    """
    _check(frames, shapes, mask)
    owner = nobody(mask.shape)
    bad = np.zeros_like(mask) if unreadable else mask
    usable = [bad if i in unreadable else mask for i in range(len(frames))]
    start = shapes.first + first
    parts = [
        _sum_few(frames[a:b], start + a, shapes, usable[a:b], trusted, glm, owner)
        for a, b in _pieces(shapes, start, len(frames))
    ]
    return merge(parts, shapes, glm)


def merge(parts: Sequence[Sums], shapes: Ellipsoids, glm: GlmParameters) -> Sums:
    """Return the record of all frames of all parts; what has become whole gets its background."""
    both = stack(parts)
    done = take(both, both.whole)
    open_ = _finished(add_equal_rows(take(both, ~both.whole)), shapes, glm)
    return ordered(stack([done, open_]))


def _check(frames: NDArray[Any], shapes: Ellipsoids, mask: NDArray[np.bool_]) -> None:
    if frames.dtype.kind not in "iu" or frames.ndim != 3:
        raise InputError(
            f"frames are {frames.dtype} {frames.shape}; integration needs integer counts (frame, slow, fast)"
        )
    if frames.shape[1:] != mask.shape:
        raise InputError(f"the mask is {mask.shape}, the frames are {frames.shape[1:]}; give one of their shape")
    if len(shapes.panel) and (shapes.panel[:, [3, 1]].max(axis=0) > mask.shape).any():
        raise InputError(f"frames of {mask.shape} do not hold all panels of the detector; check its model")


def _pieces(shapes: Ellipsoids, start: int, n: int) -> list[tuple[int, int]]:
    """Return the block cut into pieces of few enough background pixels; at least one frame each."""
    box = shapes.box.astype(np.int64)
    area = (box[:, 1] - box[:, 0]) * (box[:, 3] - box[:, 2])
    change = np.zeros(n + 1, dtype=np.int64)
    np.add.at(change, np.clip(box[:, 4] - start, 0, n), area)
    np.add.at(change, np.clip(box[:, 5] - start, 0, n), -area)
    pixels = np.cumsum(change)[:n]
    cuts, total = [0], 0
    for i, p in enumerate(pixels.tolist()):
        if total and total + p > _BUDGET:
            cuts.append(i)
            total = 0
        total += p
    return list(zip(cuts, [*cuts[1:], n], strict=True))


def _sum_few(
    frames: NDArray[Any],
    start: int,
    shapes: Ellipsoids,
    masks: list[NDArray[np.bool_]],
    trusted: tuple[float, float],
    glm: GlmParameters,
    owner: NDArray[np.int32],
) -> Sums:
    box, end = shapes.box, start + len(frames)
    rows = np.flatnonzero((box[:, 4] < end) & (box[:, 5] > start))
    own = box[rows].astype(np.int64)
    n_frames = np.minimum(own[:, 5], end) - np.maximum(own[:, 4], start)
    room = np.concatenate([[0], np.cumsum(n_frames * (own[:, 1] - own[:, 0]) * (own[:, 3] - own[:, 2]))])
    values = np.empty(room[-1], dtype=np.int32)
    used = np.zeros(len(rows), dtype=np.int64)
    sums = np.zeros((len(rows), N_SUMS), dtype=np.int64)
    offsets, active = _lists(rows, own, shapes, start, len(frames))
    limits = np.array(trusted, dtype=np.float64)
    for i, frame in enumerate(frames):
        here, z = active[offsets[i] : offsets[i + 1]], start + i
        phi = shapes.phi[z - shapes.first : z - shapes.first + 2]
        claim(here, rows, shapes, phi, owner, sums)
        collect(frame, masks[i], limits, z, phi, here, rows, shapes, owner, sums, room[:-1], used, values)
        release(here, rows, shapes, owner)
    return _finished(_record(rows, sums, room[:-1], used, values), shapes, glm)


def _lists(
    rows: NDArray[np.int64], own: NDArray[np.int64], shapes: Ellipsoids, start: int, n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which reflections are on each of n frames: offsets (n + 1,) into places (m,) in `rows`."""
    change = np.bincount(np.clip(own[:, 4] - start, 0, n), minlength=n + 1)
    change = change - np.bincount(np.clip(own[:, 5] - start, 0, n), minlength=n + 1)
    offsets = np.concatenate([[0], np.cumsum(np.cumsum(change)[:n])])
    active = np.empty(offsets[-1], dtype=np.int64)
    active_on_frames(rows, shapes.box, start, offsets, active)
    return offsets, active


def _record(
    rows: NDArray[np.int64],
    sums: NDArray[np.int64],
    starts: NDArray[np.int64],
    used: NDArray[np.int64],
    values: NDArray[np.int32],
) -> Sums:
    distinct = np.empty(len(rows), dtype=np.int64)
    sort_backgrounds(starts, used, values, np.zeros(NARROW, dtype=np.int32), distinct)
    offsets = np.concatenate([[0], np.cumsum(distinct)])
    out, counts = np.empty(offsets[-1], dtype=np.int32), np.empty(offsets[-1], dtype=np.int64)
    encode_backgrounds(starts, used, values, offsets, out, counts)
    return Sums(
        rows=rows,
        sums=sums,
        whole=np.zeros(len(rows), dtype=bool),
        background=np.full(len(rows), np.nan),
        n_background=used,
        offsets=offsets,
        values=out,
        counts=counts,
    )


def _finished(s: Sums, shapes: Ellipsoids, glm: GlmParameters) -> Sums:
    """Return the record, its histograms replaced by a background where all frames have been seen."""
    box = shapes.box[s.rows]
    whole = s.sums[:, N_FRAMES] >= box[:, 5] - box[:, 4]
    mean = backgrounds(
        np.flatnonzero(whole),
        s.offsets,
        s.values,
        s.counts,
        tuning_constant=glm.robust.tuning_constant,
        tolerance=glm.robust.tolerance,
        max_iter=glm.robust.max_iter,
        min_pixels=glm.min_pixels,
    )
    lengths = np.where(whole, 0, np.diff(s.offsets))
    kept = np.repeat(~whole, np.diff(s.offsets))
    return replace(
        s,
        whole=whole,
        background=mean,
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        values=s.values[kept],
        counts=s.counts[kept],
    )
