"""Blocks of frames as handles that are read inside the task that uses them.

Dask does not fuse a task that reads with the one that consumes, once both are Delayed; the frames
would then be a result of their own, kept and sent between workers. So frames are handed over as a
`FrameBlock`: the few graph entries that read them, run by whoever holds it. A long run is handed
over in a bounded number of them, each of several blocks of the array, to be read one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from dask._task_spec import DataNode, GraphNode
from dask.core import get_dependencies
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from dask.local import get_sync
from dask.optimization import cull
from dask.typing import Key
from dask.utils import ensure_dict
from numpy.typing import NDArray

from dxdask.errors import ChunkError, LinkedFileError, StoreWriteError, plain
from dxdask.graphs.blocked import Frames, fill, frame_of

Graph: TypeAlias = Mapping[Key, Any]

FEW_TASKS = 64
MANY_TASKS = 512
MOST_FRAMES = 256


class FrameBlock:
    """Some consecutive frames, not yet read: one or more blocks of a dask array.

    Attributes
    ----------
    first : index in the run of the first frame.
    lengths : frames in each block of the array.
    shape : (frame, slow, fast) of all of them.
    dtype : of the frames.
    """

    __slots__ = ("_borrowed", "_graph", "_keys", "dtype", "first", "lengths", "shape")

    def __init__(
        self,
        graph: Graph,
        keys: Sequence[tuple[Any, ...]],
        first: int,
        lengths: Sequence[int],
        image: tuple[int, ...],
        dtype: np.dtype[Any],
        borrowed: Sequence[Key] = (),
    ) -> None:
        self._graph, self._keys, self._borrowed = graph, tuple(keys), tuple(borrowed)
        self.first, self.lengths, self.dtype = first, tuple(lengths), dtype
        self.shape = (sum(lengths), *image)

    def __reduce__(self) -> tuple[Any, ...]:
        given = (self._graph, self._keys, self.first, self.lengths, self.shape[1:], self.dtype)
        return FrameBlock, (*given, self._borrowed)

    def with_shared(self, *values: Any) -> FrameBlock:
        """Return the block with what it shares with others (values of graph entries) put in."""
        given = {k: DataNode(k, v) for k, v in zip(self._borrowed, values, strict=True)}
        graph = {**self._graph, **given}
        return FrameBlock(graph, self._keys, self.first, self.lengths, self.shape[1:], self.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"FrameBlock(first={self.first}, shape={self.shape}, dtype={self.dtype})"

    def pieces(self, n_bytes: int = 0) -> Iterator[FrameBlock]:
        """Yield the blocks of the array in order, neighbours together as long as they take
        `n_bytes` at most, so that never more need be in memory than that or one of them.
        """
        image = self.shape[1:]
        most = n_bytes // max(1, int(np.prod(image)) * self.dtype.itemsize)
        start, first = 0, self.first
        while start < len(self._keys):
            stop = start + 1
            while stop < len(self._keys) and sum(self.lengths[start : stop + 1]) <= most:
                stop += 1
            keys, lengths = self._keys[start:stop], self.lengths[start:stop]
            yield FrameBlock(self._graph, keys, first, lengths, image, self.dtype)
            start, first = stop, first + sum(lengths)

    def read(self, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the frames (frame, slow, fast); what the reader raises is raised.

        out : memory for them, of their shape and dtype, contiguous. They are in it where the reader
        can read into memory it is given, else in an array of their own.
        """
        if len(self._keys) == 1:
            if out is not None and fill(self._graph, self._keys[0], out):
                return out
            return _evaluate(self._graph, self._keys[0])
        frames = self._memory(out)
        for piece, part in self._parts_of(frames):
            _copy(piece.read(part), part)
        return frames

    def read_all_it_can(
        self, out: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], dict[int, str]]:
        """Return the frames, zeros where one cannot be read, and why: index in the block -> reason.

        A block of the array that cannot be read as a whole is read frame by frame, so that one bad
        chunk of a file costs one frame and not its neighbours.

        out : as in `read`.
        """
        if len(self._keys) > 1:
            return self._read_pieces(out)
        try:
            return self.read(out), {}
        except (MemoryError, StoreWriteError, LinkedFileError):
            raise
        except Exception as error:  # whatever a codec or file system raises is that frame's problem
            if len(self) > 1:
                return self._read_one_by_one(out)
            frames = self._memory(out)
            frames[:] = 0
            return frames, {0: plain(error)}

    def _read_pieces(self, out: NDArray[Any] | None) -> tuple[NDArray[Any], dict[int, str]]:
        frames, reasons = self._memory(out), {}
        for piece, part in self._parts_of(frames):
            found, why = piece.read_all_it_can(part)
            _copy(found, part)
            start = piece.first - self.first
            reasons.update({start + i: reason for i, reason in why.items()})
        return frames, reasons

    def _memory(self, out: NDArray[Any] | None) -> NDArray[Any]:
        return np.empty(self.shape, self.dtype) if out is None else out

    def _parts_of(self, frames: NDArray[Any]) -> Iterator[tuple[FrameBlock, NDArray[Any]]]:
        """Yield the blocks of the array, each with its part of the frames of all."""
        for piece in self.pieces():
            start = piece.first - self.first
            yield piece, frames[start : start + len(piece)]

    def _read_one_by_one(self, out: NDArray[Any] | None) -> tuple[NDArray[Any], dict[int, str]]:
        frames, reasons = self._memory(out), {}
        frames[:] = 0
        for i in range(len(self)):
            try:
                frames[i] = self._read_one(i)
            except (MemoryError, StoreWriteError, LinkedFileError):
                raise
            except Exception as error:
                reasons[i] = plain(error)
        return frames, reasons

    def _read_one(self, index: int) -> NDArray[Any]:
        frame = frame_of(self._graph, self._keys[0], index)
        if frame is not None:
            return frame
        import dask.array as da  # here: it takes half a second to load

        name, i = self._keys[0][0], self._keys[0][1]
        # blocks before this one are given no length, so that this one starts at 0 under its own key
        chunks = ((0,) * i + (self.shape[0],), *((n,) for n in self.shape[1:]))
        block = da.Array(dict(self._graph), name, chunks, dtype=self.dtype)  # type: ignore[no-untyped-call]
        return np.asarray(block[index : index + 1].compute(scheduler=get_sync)[0])


def _copy(found: NDArray[Any], part: NDArray[Any]) -> None:
    if found is not part:  # where it was not read there at once
        part[:] = found


def _evaluate(graph: Graph, key: Key) -> NDArray[Any]:
    """Return the value of one entry of a graph."""
    task = graph[key]
    if isinstance(task, GraphNode):
        given = {k: graph[k] for k in task.dependencies}
        if all(isinstance(node, DataNode) for node in given.values()):
            # as most are, and a scheduler would take longer than some frames
            return np.asarray(task({k: node({}) for k, node in given.items()}))
    own, _ = cull(graph, [key])  # type: ignore[no-untyped-call]
    return np.asarray(get_sync(own, key))


def require_whole_frames(frames: Frames) -> None:
    """Check that no chunk cuts a frame.

    Raises
    ------
    ChunkError
        The array is not (frame, slow, fast), or is chunked along slow or fast, or of unknown size.
    """
    if frames.ndim != 3:
        raise ChunkError(f"frames have {frames.ndim} axes {frames.shape}; give (frame, slow, fast)")
    if np.isnan(frames.shape).any():
        raise ChunkError(
            f"frames have an unknown size {frames.shape}; call compute_chunk_sizes() first"
        )
    if any(len(c) > 1 for c in frames.chunks[1:]):
        raise ChunkError(
            f"frames {frames.shape} are cut into chunks of {frames.chunksize}; "
            "a chunk must hold whole frames: rechunk({1: -1, 2: -1})"
        )


def frame_blocks(frames: Frames, *, grouped: bool = False) -> list[tuple[Delayed, int]]:
    """Return Delayed `FrameBlock`s that make up `frames`, each with the index of its first frame.

    Hand the Delayed to a function, which calls `read()` on what it is given: so frames live only
    in that task. Tasks: one each, plus those that several share (the open file, a map).

    grouped : whether each may hold several blocks of the array, to be read by `pieces()`: then
        there are `n_groups` of them however many blocks the array has; else one for each block.

    Raises
    ------
    ChunkError
        See `require_whole_frames`.
    """
    require_whole_frames(frames)
    # asked for once, as each may be made anew
    source, graph, lengths = frames.name, ensure_dict(frames.dask), frames.chunks[0]
    name, n_blocks, image = f"frame-block-{source}", len(lengths), frames.shape[1:]
    n = n_groups(n_blocks, frames.shape[0]) if grouped else n_blocks
    bounds = [i * n_blocks // n for i in range(n + 1)] if n else [0]
    needed = [
        _closure(graph, [(source, i, 0, 0) for i in range(a, b)]) for a, b in pairwise(bounds)
    ]
    uses = Counter(key for closure in needed for key in closure)
    shared = {key for key, times in uses.items() if times > 1}
    tasks: dict[Key, Any] = {key: graph[key] for key in shared}
    firsts = np.cumsum((0, *lengths))[bounds].tolist()
    for i, closure in enumerate(needed):
        a, b = bounds[i : i + 2]
        keys = [(source, k, 0, 0) for k in range(a, b)]
        own = {k: graph[k] for k in closure if k not in shared}
        borrowed = [k for k in closure if k in shared]
        block = FrameBlock(own, keys, firsts[i], lengths[a:b], image, frames.dtype, borrowed)
        tasks[name, i, n] = (FrameBlock.with_shared, block, *borrowed)
    # one layer for all: O(1) a block, and culling drops what a consumer does not need
    layer = HighLevelGraph.from_collections(name, tasks)
    handles = [Delayed((name, i, n), layer, layer=name) for i in range(n)]  # type: ignore[no-untyped-call]
    return list(zip(handles, firsts, strict=False))


def n_groups(n_blocks: int, n_frames: int) -> int:
    """Return in how many groups so many blocks of so many frames are handed over.

    As many as there are blocks up to `FEW_TASKS`, enough for the threads of a machine; beyond, of
    four blocks or more each until there are `MANY_TASKS`, which a scheduler takes without delay;
    but as many as it takes to have no more than about `MOST_FRAMES` in one, so that a task
    that is lost with its worker is soon done again.
    """
    by_blocks = max(FEW_TASKS, min(MANY_TASKS, n_blocks // 4))
    return min(n_blocks, max(by_blocks, -(-n_frames // MOST_FRAMES)))


def _closure(graph: Graph, keys: Sequence[Key]) -> list[Key]:
    """Return what `keys` need, themselves first, in a fixed order."""
    seen, todo = dict.fromkeys(keys), list(keys)
    while todo:
        key = todo.pop()
        node = graph[key]
        below = node.dependencies if isinstance(node, GraphNode) else get_dependencies(graph, key)
        for k in sorted(below, key=str):
            if k not in seen:
                seen[k] = None
                todo.append(k)
    return list(seen)
