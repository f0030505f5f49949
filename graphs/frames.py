"""Blocks of frames as handles that are read inside the task that uses them.

Dask does not fuse a task that reads with the one that consumes, once both are Delayed; the frames
would then be a result of their own, kept and sent between workers. So a block is handed over as a
`FrameBlock`: the few graph entries that read it, run by whoever holds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import dask.array as da
import numpy as np
from dask.core import get_dependencies
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from dask.local import get_sync
from dask.typing import Key
from dask.utils import ensure_dict
from numpy.typing import NDArray

from dxdask.errors import ChunkError, StoreWriteError, plain

Graph = Mapping[Key, Any]


class FrameBlock:
    """Some consecutive frames, not yet read.

    Attributes
    ----------
    first : index in the run of the first frame.
    shape : (frame, slow, fast).
    dtype : of the frames.
    """

    __slots__ = ("_borrowed", "_graph", "_key", "dtype", "first", "shape")

    def __init__(
        self,
        graph: Graph,
        key: tuple[Any, ...],
        first: int,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        borrowed: Sequence[Key] = (),
    ) -> None:
        self._graph, self._key, self._borrowed = graph, key, borrowed
        self.first, self.shape, self.dtype = first, shape, dtype

    def __reduce__(self) -> tuple[Any, ...]:
        given = (self._graph, self._key, self.first, self.shape, self.dtype, self._borrowed)
        return FrameBlock, given

    def with_shared(self, *values: Any) -> FrameBlock:
        """Return the block with what it shares with others (values of graph entries) put in."""
        graph = {**self._graph, **dict(zip(self._borrowed, values, strict=True))}
        return FrameBlock(graph, self._key, self.first, self.shape, self.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"FrameBlock(first={self.first}, shape={self.shape}, dtype={self.dtype})"

    def read(self) -> NDArray[Any]:
        """Return the frames (frame, slow, fast); what the reader raises is raised."""
        return np.asarray(get_sync(self._graph, self._key))

    def read_all_it_can(self) -> tuple[NDArray[Any], dict[int, str]]:
        """Return the frames, zeros where one cannot be read, and why: index in the block -> reason.

        If the block as a whole cannot be read its frames are read one by one, so that one bad chunk
        of a file costs one frame and not its neighbours.
        """
        try:
            return self.read(), {}
        except (MemoryError, StoreWriteError):
            raise
        except Exception as error:  # whatever a codec or file system raises is that frame's problem
            if len(self) == 1:
                return np.zeros(self.shape, self.dtype), {0: plain(error)}
            return self._read_one_by_one()

    def _read_one_by_one(self) -> tuple[NDArray[Any], dict[int, str]]:
        name, index = self._key[0], self._key[1]
        # blocks before this one are given no length, so that this one starts at 0 under its own key
        chunks = ((0,) * index + (self.shape[0],), *((n,) for n in self.shape[1:]))
        block = da.Array(dict(self._graph), name, chunks, dtype=self.dtype)  # type: ignore[no-untyped-call]
        frames, reasons = np.zeros(self.shape, self.dtype), {}
        for i in range(len(self)):
            try:
                frames[i] = block[i : i + 1].compute(scheduler="synchronous")[0]
            except (MemoryError, StoreWriteError):
                raise
            except Exception as error:
                reasons[i] = plain(error)
        return frames, reasons


def require_whole_frames(frames: da.Array) -> None:
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


def frame_blocks(frames: da.Array) -> list[tuple[Delayed, int]]:
    """Return a Delayed `FrameBlock` and the index of its first frame for each block of `frames`.

    Hand the Delayed to a function, which calls `read()` on what it is given: so frames live only
    in that task. Tasks: one a block, plus those that several blocks share (the open file, a map).

    Raises
    ------
    ChunkError
        See `require_whole_frames`.
    """
    require_whole_frames(frames)
    graph = ensure_dict(frames.dask)
    keys = [(frames.name, i, 0, 0) for i in range(frames.numblocks[0])]
    needed = [_closure(graph, key) for key in keys]
    uses = Counter(key for closure in needed for key in closure)
    shared = {key for key, n in uses.items() if n > 1}
    name = f"frame-block-{frames.name}"
    tasks: dict[Key, Any] = {key: graph[key] for key in shared}
    firsts = [int(n) for n in np.cumsum((0, *frames.chunks[0]))]
    for i, (key, closure) in enumerate(zip(keys, needed, strict=True)):
        shape = (frames.chunks[0][i], *frames.shape[1:])
        own = {k: graph[k] for k in closure if k not in shared}
        borrowed = [k for k in closure if k in shared]
        block = FrameBlock(own, key, firsts[i], shape, frames.dtype, borrowed)
        tasks[name, i] = (FrameBlock.with_shared, block, *borrowed)
    # one layer for all: O(1) a block, and culling drops what a consumer does not need
    layer = HighLevelGraph.from_collections(name, tasks)
    handles = [Delayed((name, i), layer, layer=name) for i in range(len(keys))]  # type: ignore[no-untyped-call]
    return list(zip(handles, firsts, strict=False))


def _closure(graph: Graph, key: Key) -> list[Key]:
    """Return the keys that `key` needs, itself first, in a fixed order."""
    seen, todo = {key: None}, [key]
    while todo:
        for k in sorted(get_dependencies(graph, todo.pop()), key=str):
            if k not in seen:
                seen[k] = None
                todo.append(k)
    return list(seen)
