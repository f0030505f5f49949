"""Stills as a graph: each block of frames is read once, by the task that takes its events from
pixels to observations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from dask.base import tokenize
from dask.delayed import Delayed, delayed

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.graphs.blocked import Frames
from dxdask.graphs.fold import tree_fold
from dxdask.graphs.frames import FrameBlock, frame_blocks
from dxdask.graphs.stills.events import (
    EventFrames,
    index_events,
    integrate_events,
    process_events,
    with_lattices,
)
from dxdask.graphs.stills.parts import StillsPart, join_stills
from dxdask.graphs.stills.run import StillsRun
from dxdask.indexing.stills import KnownCell
from dxdask.indexing.stills.consensus import ProposedCell
from dxdask.indexing.stills.index_stills import agreed, require_hits
from dxdask.indexing.stills.parameters import StillIndexParameters
from dxdask.spotfinding.images import is_used
from dxdask.spotfinding.workspaces import Workspace, Workspaces


class RunOfFrames(NamedTuple):
    """A run to process: its lazy frames (image, slow, fast), and what its events share."""

    frames: Frames
    run: StillsRun


def process_stills(
    runs: Sequence[RunOfFrames],
    known: KnownCell | None,
    *,
    integrate: bool = True,
    again: Sequence[Frames] | None = None,
    fan_in: int = 8,
) -> tuple[list[Delayed], Delayed | None]:
    """Return the events of each run as Delayed `StillsPart`, and the cells they share.

    Parameters
    ----------
    known : the cell. None: the spots of all runs are found first, then the cell that most hits
    share, then every hit is indexed by it; the cells are the second result, else it is None.
    integrate : whether indexed stills are. again : the same frames, read a second time to integrate
    where the cell is not known; None: `runs`' own.

    Tasks: for each run 2 + 2 a group of blocks + `n_folds` of these, with `n_groups` groups; where
    the cell is not known 5 a group, and the folds twice. A task holds one block of the array, up to
    `HELD_BYTES` of hits' frames, and what it found: some 60 kB a hit, 100 bytes a blank. The memory
    of the block goes to the next task, and is free when the last has found its spots.
    """
    shared = [delayed(r.run, name=None, pure=True, traverse=False) for r in runs]
    blocks = [_used_blocks(r) for r in runs]
    first = delayed(_from_frames, pure=True)
    parts = []
    for of_run, run in zip(blocks, shared, strict=True):
        # of this run only: thresholds are made for its models, mask and parameters
        room = delayed(Workspaces)(dask_key_name=f"workspaces-{tokenize(run.key)}")
        parts.append([first(block, run, known, integrate, room) for block in of_run])
    cells = None
    if known is None and runs[0].run.parameters.dispatch.index:
        cells = _cells(parts, runs[0].run.parameters.indexing, fan_in)
        if again is not None:
            blocks = [_used_blocks(r._replace(frames=f)) for r, f in zip(runs, again, strict=True)]
        parts = _indexed(blocks, parts, shared, delayed(_first, pure=True)(cells), integrate)
    return [tree_fold(p, join_stills, fan_in=fan_in, label="join-stills") for p in parts], cells


def go_on(
    runs: Sequence[RunOfFrames],
    stored: Sequence[Delayed],
    known: KnownCell | Delayed | None,
    *,
    integrate: bool = True,
    fan_in: int = 8,
) -> tuple[list[Delayed], Delayed | None]:
    """Return the same from the events of each run as they are known already, Delayed `StillsPart`.

    Those that are indexed are only integrated; of others, which of their spots are known, the hits
    are indexed first. Frames are read only to be integrated, and only blocks that hold crystals.

    known : None: the cell is found first; of events that are indexed it has to be given. Where
    `dispatch.index` is off the events stay as they are.

    Tasks: for each run 1 + 3 a group of blocks + folds; where the cell is not known 5 a group.
    """
    if not runs[0].run.parameters.dispatch.index:
        return list(stored), None
    shared = [delayed(r.run, name=None, pure=True, traverse=False) for r in runs]
    blocks = [_used_blocks(r) for r in runs]
    cut = delayed(_cut, pure=True)
    parts = [
        [cut(whole, block, run) for block in of_run]
        for of_run, whole, run in zip(blocks, stored, shared, strict=True)
    ]
    cells, lazy_known = None, delayed(known, name=None, pure=True, traverse=False)
    if known is None:
        look = delayed(with_lattices, pure=True)
        parts = [[look(p, run) for p in of_run] for of_run, run in zip(parts, shared, strict=True)]
        cells = _cells(parts, runs[0].run.parameters.indexing, fan_in)
        lazy_known = delayed(_first, pure=True)(cells)
    parts = _indexed(blocks, parts, shared, lazy_known, integrate)
    return [tree_fold(p, join_stills, fan_in=fan_in, label="join-stills") for p in parts], cells


def _indexed(
    blocks: Sequence[Sequence[Delayed]],
    parts: Sequence[Sequence[Delayed]],
    shared: Sequence[Delayed],
    known: Delayed,
    integrate: bool,
) -> list[list[Delayed]]:
    on = delayed(_go_on, pure=True)
    return [
        [on(block, part, run, known, integrate) for block, part in zip(b, p, strict=True)]
        for b, p, run in zip(blocks, parts, shared, strict=True)
    ]


def _cells(
    parts: Sequence[Sequence[Delayed]], parameters: StillIndexParameters, fan_in: int
) -> Delayed:
    """Return the cells that the hits of all runs share, a Delayed list, that of the most first."""
    take = delayed(_lattices, pure=True)
    lattices = [take(p) for of_run in parts for p in of_run]
    folded = tree_fold(lattices, _join_lattices, fan_in=fan_in, label="join-lattices")
    cells: Delayed = delayed(_agreed, pure=True)(folded, parameters)
    return cells


def _used_blocks(run: RunOfFrames) -> list[Delayed]:
    """Return the groups of blocks that hold any image to look at."""
    blocks = frame_blocks(run.frames, grouped=True)
    stops = [*(first for _, first in blocks[1:]), run.frames.shape[0]]
    z0, ranges = run.run.first_z, run.run.ranges
    used = [
        block
        for (block, first), stop in zip(blocks, stops, strict=True)
        if any(is_used(z, ranges) for z in range(z0 + first, z0 + stop))
    ]
    if not used:
        raise InputError(f"{run.run.experiment.run} has no events; give files that hold some")
    return used


def _from_frames(
    block: FrameBlock,
    run: StillsRun,
    known: KnownCell | None,
    integrate: bool,
    workspaces: Workspaces,
) -> StillsPart:
    with workspaces.lend() as room:
        return process_events(_pieces(block, run, room), run, known, integrate=integrate, room=room)


def _pieces(block: FrameBlock, run: StillsRun, room: Workspace) -> Iterator[EventFrames]:
    for piece in block.pieces():
        if any(is_used(run.first_z + piece.first + i, run.ranges) for i in range(len(piece))):
            frames = room.frames(piece.shape, piece.dtype)
            yield EventFrames(piece.first, *piece.read_all_it_can(frames))


def _cut(whole: StillsPart, block: FrameBlock, run: StillsRun) -> StillsPart:
    z = run.first_z + block.first
    return whole.of_images(z, z + len(block))


def _go_on(
    block: FrameBlock, part: StillsPart, run: StillsRun, known: KnownCell, integrate: bool
) -> StillsPart:
    """Index the hits of a part that has no crystals yet, and integrate them."""
    if part.indexed is None:
        part = index_events(part, run, known)
    if not integrate:
        return part
    done = [_integrated(piece, part, run, known) for piece in block.pieces()]
    whole = join_stills(done)
    return replace(
        part,
        integrated=whole.integrated,
        observations=whole.observations,
        problems=(*part.problems, *whole.problems),
    )


def _integrated(
    piece: FrameBlock, part: StillsPart, run: StillsRun, known: KnownCell
) -> StillsPart:
    """Return the events of a piece with observations; it is read only if it holds a crystal."""
    z = run.first_z + piece.first
    own = replace(part, found=None, problems=()).of_images(z, z + len(piece))
    images = own.stills["image"][own.stills["indexed"]].tolist()
    frames, problems = {}, []
    if images:
        read, unread = piece.read_all_it_can()
        frames = {image: read[image - z] for image in images if image - z not in unread}
        problems = [
            {"run": run.experiment.run, "image": z + i + 1, "step": "integrate", "reason": reason}
            for i, reason in sorted(unread.items())
            if z + i in images
        ]
    return replace(integrate_events(frames, own, run, known), problems=tuple(problems))


class _Lattices(NamedTuple):
    """Reduced A (n, 3, 3), 1/A, of some events, of which so many are hits."""

    a_matrix: Floats
    n_hits: int
    n_events: int


def _lattices(part: StillsPart) -> _Lattices:
    hit = part.stills["hit"]
    return _Lattices(part.lattices, int(hit.sum()), len(hit))


def _join_lattices(parts: Sequence[_Lattices]) -> _Lattices:
    a_matrices, n_hits, n_events = zip(*parts, strict=True)
    return _Lattices(np.concatenate(a_matrices), sum(n_hits), sum(n_events))


def _agreed(found: _Lattices, parameters: StillIndexParameters) -> list[ProposedCell]:
    require_hits(found.n_hits, found.n_events)
    return agreed(found.a_matrix, parameters)


def _first(cells: Sequence[ProposedCell]) -> KnownCell:
    return cells[0].known
