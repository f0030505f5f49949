"""Stills as a graph: each block of frames is read once, by the task that takes its events from
pixels to observations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from dask.base import tokenize
from dask.delayed import Delayed, delayed

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.graphs.blocks import (
    Block,
    block_ranges,
    map_frames,
    map_records,
    records_of_ranges,
)
from dxdask.graphs.fold import tree_fold
from dxdask.graphs.literal import literal
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
from dxdask.spotfinding.workspaces import Workspaces

if TYPE_CHECKING:
    import dask.array as da


FROM_FRAMES, INDEX, INTEGRATE = "process-stills", "index-stills", "integrate-stills"
"""Names of the tasks that find hits, and of those that index and integrate hits found before."""


class RunOfFrames(NamedTuple):
    """A run to process: its lazy frames (image, slow, fast), and what its events share.

    good : lazy mask (slow, fast), False where a pixel is bad, or None; None: no pixel is.
    """

    frames: da.Array
    run: StillsRun
    good: Delayed | None = None

    @property
    def shared(self) -> Delayed:
        """What the events share, without the bad pixels."""
        run = literal(self.run)
        if self.good is None:
            return run
        masked: Delayed = delayed(StillsRun.without, pure=True)(run, self.good)
        return masked


def process_stills(
    runs: Sequence[RunOfFrames],
    known: KnownCell | None,
    *,
    integrate: bool = True,
    again: Sequence[da.Array] | None = None,
    fan_in: int = 8,
) -> tuple[list[Delayed], Delayed | None]:
    """Return the events of each run as Delayed `StillsPart`, and the cells they share.

    Parameters
    ----------
    known : the cell. None: the spots of all runs are found first, then the cell that most hits
    share, then every hit is indexed by it; the cells are the second result, else it is None.
    integrate : whether indexed stills are. again : the same frames, read a second time to integrate
    where the cell is not known; None: `runs`' own.

    Tasks: for all runs 2 (cell, whether to integrate); for each run 3 (run, workspaces, first
    frames) + 1 a block that holds an event to look at + `n_folds` of these + what the blocks of its
    frames share (of a store's: 2); where the cell is not known 3 a block, and the folds twice. A
    task holds one block and its result: some 60 kB a hit, 100 bytes a blank.
    """
    shared = [r.shared for r in runs]
    used = [_used_blocks(r) for r in runs]
    parts = [
        map_frames(
            _process_block,
            r.frames,
            # of this run only: thresholds are made for its models, mask and parameters
            [run, literal(known), literal(integrate), _workspaces(run)],
            label=FROM_FRAMES,
            used=numbers,
        )
        for r, run, numbers in zip(runs, shared, used, strict=True)
    ]
    cells = None
    if known is None and runs[0].run.parameters.dispatch.index:
        cells = _cells(parts, runs[0].run.parameters.indexing, fan_in)
        if again is not None:
            runs = [r._replace(frames=f) for r, f in zip(runs, again, strict=True)]
        parts = _indexed(runs, parts, delayed(_first, pure=True)(cells), integrate=integrate)
    return [_joined(p, fan_in) for p in parts], cells


def resume_stills(
    runs: Sequence[RunOfFrames],
    stored: Sequence[Delayed],
    known: KnownCell | Delayed | None,
    *,
    integrate: bool = True,
    fan_in: int = 8,
) -> tuple[list[Delayed], Delayed | None]:
    """Return the same from the events of each run as they are known already, Delayed `StillsPart`.

    Those that are indexed are only integrated; of others, which of their spots are known, the hits
    are indexed first. Frames are read only to be integrated.

    known : None: the cell is found first; of events that are indexed it has to be given. Where
    `dispatch.index` is off the events stay as they are.

    Tasks: for each run 2 (run, first frames) + 2 a block + `n_folds` of these + what the blocks of
    its frames share (of a store's: 2); where the cell is not known 4 a block, and the folds twice.
    """
    if not runs[0].run.parameters.dispatch.index:
        return list(stored), None
    shared = [r.shared for r in runs]
    parts = [
        records_of_ranges(
            _of_range, r.frames, [whole, run], label="stored-stills", used=_used_blocks(r)
        )
        for r, whole, run in zip(runs, stored, shared, strict=True)
    ]
    cells, lazy_known = None, known if isinstance(known, Delayed) else literal(known)
    if known is None:
        parts = [
            map_records(with_lattices, p, [run], label="find-lattices")
            for p, run in zip(parts, shared, strict=True)
        ]
        cells = _cells(parts, runs[0].run.parameters.indexing, fan_in)
        lazy_known = delayed(_first, pure=True)(cells)
    parts = _indexed(runs, parts, lazy_known, integrate=integrate)
    return [_joined(p, fan_in) for p in parts], cells


def _indexed(
    runs: Sequence[RunOfFrames],
    parts: Sequence[Sequence[Delayed]],
    known: Delayed,
    *,
    integrate: bool,
) -> list[list[Delayed]]:
    """Return the parts with their hits indexed, and integrated if `dispatch.integrate`."""
    if not integrate:
        return [
            map_records(_index_part, p, [r.shared, known], label=INDEX)
            for r, p in zip(runs, parts, strict=True)
        ]
    return [
        map_frames(
            _finish_block,
            r.frames,
            [r.shared, known],
            label=INTEGRATE,
            used=_used_blocks(r),
            parts=p,
        )
        for r, p in zip(runs, parts, strict=True)
    ]


def _workspaces(run: Delayed) -> Delayed:
    made: Delayed = delayed(Workspaces)(dask_key_name=f"workspaces-{tokenize(run.key)}")
    return made


def _joined(parts: Sequence[Delayed], fan_in: int) -> Delayed:
    return tree_fold(parts, join_stills, fan_in=fan_in, label="join-stills", records=True)


def _cells(
    parts: Sequence[Sequence[Delayed]], parameters: StillIndexParameters, fan_in: int
) -> Delayed:
    """Return the cells that the hits of all runs share, a Delayed list, that of the most first."""
    lattices = [r for p in parts for r in map_records(_lattices, p, [], label="lattices")]
    folded = tree_fold(lattices, _join_lattices, fan_in=fan_in, label="join-lattices", records=True)
    cells: Delayed = delayed(_agreed, pure=True)(folded, parameters)
    return cells


def _used_blocks(run: RunOfFrames) -> list[int]:
    """Return the numbers of the blocks that hold any image to look at."""
    z0, ranges = run.run.first_z, run.run.ranges
    used = [
        number
        for number, block in enumerate(block_ranges(run.frames))
        if any(is_used(z0 + i, ranges) for i in block)
    ]
    if not used:
        raise InputError(f"{run.run.experiment.run} has no events; give files that hold some")
    return used


def _process_block(
    block: Block, run: StillsRun, known: KnownCell | None, integrate: bool, workspaces: Workspaces
) -> StillsPart:
    with workspaces.lend() as room:
        return process_events(EventFrames(*block), run, known, integrate=integrate, room=room)


def _of_range(first: int, stop: int, whole: StillsPart, run: StillsRun) -> StillsPart:
    return whole.of_images(run.first_z + first, run.first_z + stop)


def _index_part(part: StillsPart, run: StillsRun, known: KnownCell) -> StillsPart:
    """Return the part with the crystals of its hits, if it has none yet."""
    return part if part.indexed is not None else index_events(part, run, known)


def _finish_block(block: Block, part: StillsPart, run: StillsRun, known: KnownCell) -> StillsPart:
    """Return the part of a block with its hits indexed and its crystals integrated."""
    part = _index_part(part, run, known)
    z = run.first_z + block.first
    images = part.stills["image"][part.stills["indexed"]].tolist()
    frames = {i: block.frames[i - z] for i in images if i - z not in block.unreadable}
    problems = [
        {"run": run.experiment.run, "image": z + i + 1, "step": "integrate", "reason": reason}
        for i, reason in sorted(block.unreadable.items())
        if z + i in images
    ]
    done = integrate_events(frames, replace(part, found=None, problems=()), run, known)
    return replace(
        part,
        integrated=done.integrated,
        observations=done.observations,
        problems=(*part.problems, *problems),
    )


class _Lattices(NamedTuple):
    """Reduced A (n, 3, 3), 1/A, of some events, with the numbers of hits and events."""

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
