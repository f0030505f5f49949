"""Sums over the pixels of each reflection in a block of frames; no shoebox is kept.

Each frame is read once. Its pixels get a state of one byte (counts, usable or not), and foreground
is marked there, with the reflection it belongs to where several may share it. Then each pixel of a
reflection's box is added to its sums (its own foreground) or to its background (no foreground). The
background of a reflection with all its frames is fitted at once; the others keep a histogram of
theirs until blocks are combined (`block_background`).
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.integration.accumulate import accumulate_frame, active_on_frames
from dxdask.integration.background_pixels import PanelStates, add_background, empty_background
from dxdask.integration.block_background import (
    block_record,
    may_vary,
    varies_along,
    with_backgrounds,
)
from dxdask.integration.boxes import Ellipsoids
from dxdask.integration.context import IntegrationContext
from dxdask.integration.dead_time import add_excess
from dxdask.integration.footprint_pixels import add_footprints
from dxdask.integration.footprints import empty_footprints, no_footprints
from dxdask.integration.foreground import fill_distances, fill_frame_terms, label_foreground
from dxdask.integration.frame_photons import FramePhotons
from dxdask.integration.gaussian import fill_weights
from dxdask.integration.pairs import add_pairs
from dxdask.integration.parameters import BackgroundParameters
from dxdask.integration.photons import PARTS
from dxdask.integration.shared_pixels import add_shared_pixels, pairs_of, shared
from dxdask.integration.sums import (
    N_SUMS,
    PixelSums,
    add_equal_rows,
    concatenate_sums,
    select_rows,
    sorted_by_row,
)

# Background pixels accumulated before they are made histograms (4 bytes each).
_BUDGET = 8_000_000
_BAND = 48  # rows of pixels


def sum_block(
    frames: NDArray[Any],
    first: int,
    context: IntegrationContext,
    mask: NDArray[np.bool_],
    *,
    unreadable: Container[int] = (),
) -> PixelSums:
    """Return the sums of the reflections on a block of frames.

    Parameters
    ----------
    frames : (n, slow, fast) counts.
    first : index in the run of the first frame.
    context : of the run.
    mask : (slow, fast), True is good, from `usable_pixels`.
    unreadable : indices in the block of frames without valid pixels.

    Raises
    ------
    InputError
        Frames are not real numbers, or differ in shape from the mask.
    """
    if frames.dtype.kind not in "iuf" or frames.shape[1:] != mask.shape:
        raise InputError(
            f"run {context.run}: frames are {frames.dtype} {frames.shape}; integration needs "
            f"real numbers (frame, slow, fast) of the shape of the mask {mask.shape}"
        )
    maps = np.empty(mask.shape, dtype=np.int32), np.empty(mask.shape, dtype=np.uint8)
    bad = np.zeros_like(mask) if unreadable else mask
    usable = [bad if i in unreadable else mask for i in range(len(frames))]
    start = context.shapes.first + first
    parts = [
        _sum_few(frames[a:b], start + a, context, usable[a:b], maps)
        for a, b in _pieces(context.shapes.box, start, frames.shape)
    ]
    return combine_sums(parts, context.background)


def combine_sums(parts: Sequence[PixelSums], background: BackgroundParameters) -> PixelSums:
    """Return the sums of all frames of all parts, with backgrounds of what has become whole."""
    if len(parts) == 1:
        return parts[0]
    pairs = add_pairs([p.pairs for p in parts])
    both = concatenate_sums(parts)
    done = select_rows(both, both.whole)
    rest = with_backgrounds(add_equal_rows(select_rows(both, ~both.whole)), background)
    return replace(sorted_by_row(concatenate_sums([done, rest])), pairs=pairs)


def _pieces(box: NDArray[np.int32], start: int, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return ranges of frames with at most `_BUDGET` background pixels, or one frame each.

    Of large blocks of frames the background pixels may be as many as theirs.
    """
    n, budget = shape[0], max(_BUDGET, math.prod(shape))
    x0, x1, y0, y1 = box[:, :4].astype(np.int64).T
    area = (x1 - x0) * (y1 - y0)
    change = np.zeros(n + 1, dtype=np.int64)
    np.add.at(change, np.clip(box[:, 4] - start, 0, n), area)
    np.add.at(change, np.clip(box[:, 5] - start, 0, n), -area)
    cuts, total = [0], 0
    for i, pixels in enumerate(np.cumsum(change)[:n].tolist()):
        if total and total + pixels > budget:
            cuts.append(i)
            total = 0
        total += pixels
    return list(zip(cuts, [*cuts[1:], n], strict=True))


def _sum_few(
    frames: NDArray[Any],
    start: int,
    context: IntegrationContext,
    masks: list[NDArray[np.bool_]],
    maps: tuple[NDArray[np.int32], NDArray[np.uint8]],
) -> PixelSums:
    shapes, end = context.shapes, start + len(frames)
    rows = np.flatnonzero((shapes.box[:, 4] < end) & (shapes.box[:, 5] > start))
    own = shapes.box[rows].astype(np.int64)
    n_frames = np.minimum(own[:, 5], end) - np.maximum(own[:, 4], start)
    area = (own[:, 1] - own[:, 0]) * (own[:, 3] - own[:, 2])
    background = empty_background(n_frames * area)
    sums = np.zeros((len(rows), N_SUMS), dtype=np.int64)
    offsets, active = _lists(rows, own, shapes, start, len(frames))
    conversion, dead = FramePhotons.of(context, frames.dtype), context.dead_time
    pixels = conversion.pixels
    profile, weights, distances = _profile_pixels(rows, shapes)
    pairs = pairs_of(rows, shapes)
    alone = np.ones(len(rows), dtype=np.bool_)
    alone[pairs.first] = alone[pairs.second] = False
    panels, (owner, state) = PanelStates.of(rows, shapes), maps
    terms = np.empty((len(rows), 3))
    varies = may_vary(context.background)
    footprints = (
        empty_footprints(
            rows, shapes, context.background_shape, along_rotation=varies_along(context.background)
        )
        if varies
        else no_footprints(len(rows))
    )
    along = footprints.rotation or (None, None, None)
    for i, recorded in enumerate(frames):
        here, z = active[offsets[i] : offsets[i + 1]], start + i
        frame, trusted = conversion.frame(recorded, z)
        phi = shapes.phi[z - shapes.first : z - shapes.first + 2]
        fill_frame_terms(here, rows, shapes, phi, terms)
        panels.fill(frame, masks[i], trusted, pixels, state)
        label_foreground(
            here, rows, shapes, terms, profile, distances, alone, owner, state,
        )  # fmt: skip
        accumulate_frame(
            frame, masks[i], trusted, pixels, z, here, rows, shapes, alone, owner, state,
            terms, profile, weights, distances, sums,
        )  # fmt: skip
        add_background(
            frame, masks[i], trusted, pixels, here, rows, shapes, state, sums, *background
        )
        add_shared_pixels(
            frame, masks[i], trusted, z, rows, shapes, owner, terms, profile, weights, distances,
            *pairs,
        )  # fmt: skip
        if varies:
            add_footprints(
                frame, masks[i], trusted, pixels, here, rows, shapes, owner, state, terms, profile,
                weights, distances, footprints.offsets, *footprints.pixels, z, *along,
            )  # fmt: skip
        if dead is not None:
            add_excess(
                frame, masks[i], trusted, here, rows, shapes, terms, alone, owner, state,
                dead.busy[z - shapes.first], dead.is_paralyzable, sums,
            )  # fmt: skip
    unit = 1 if pixels is None else PARTS
    record = block_record(rows, own[:, 5] - own[:, 4], sums, background, footprints, unit)
    return replace(with_backgrounds(record, context.background), pairs=shared(rows, pairs))


def _profile_pixels(
    rows: NDArray[np.int64], shapes: Ellipsoids
) -> tuple[NDArray[np.int64], NDArray[np.int32], Floats]:
    """Return the first place of each of `rows` in arrays of profiles' pixels, and these arrays.

    They are the weights and the distances from the centre.
    """
    inner = shapes.inner[rows].astype(np.int64)
    area = (inner[:, 1] - inner[:, 0]) * (inner[:, 3] - inner[:, 2])
    starts = np.concatenate([[0], np.cumsum(area)])
    weights, distances = np.empty(starts[-1], dtype=np.int32), np.empty(starts[-1])
    fill_weights(rows, shapes, starts[:-1], weights)
    fill_distances(rows, shapes, starts[:-1], distances)
    return starts[:-1], weights, distances


def _lists(
    rows: NDArray[np.int64], own: NDArray[np.int64], shapes: Ellipsoids, start: int, n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the reflections on each of n frames: offsets (n + 1,) and places (m,) in `rows`.

    Neighbours on the detector follow each other: their pixels are in the cache.
    """
    change = np.bincount(np.clip(own[:, 4] - start, 0, n), minlength=n + 1)
    change = change - np.bincount(np.clip(own[:, 5] - start, 0, n), minlength=n + 1)
    offsets = np.concatenate([[0], np.cumsum(np.cumsum(change)[:n])])
    active = np.empty(offsets[-1], dtype=np.int64)
    order = np.lexsort((own[:, 0], own[:, 2] // _BAND))
    active_on_frames(order, rows, shapes.box, start, offsets, active)
    return offsets, active
