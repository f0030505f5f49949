"""Frames of a reader cut into blocks: what of a dask array a graph builder needs.

`dask.array` brings pandas, xarray and half of scipy with it, half a second at the start of every
command. A job whose frames come from one reader needs none of it; what users combine from arrays
of their own are dask arrays, and every builder takes either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from dask._task_spec import DataNode, Task, TaskRef
from dask.base import tokenize
from dask.typing import Key
from numpy.typing import NDArray

if TYPE_CHECKING:
    import dask.array as da

Frames: TypeAlias = "da.Array | BlockedFrames"


class FrameReader(Protocol):
    """Reads frames on demand; travels to whoever reads, so it is small, and dask can name it."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(frame, slow, fast)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the counts."""
        ...

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return frames `first` to `last` (not included), (frame, slow, fast)."""
        ...


@runtime_checkable
class FillingReader(Protocol):
    """A reader that can also read into memory it is given, which then need not be made anew."""

    def read_into(self, first: int, last: int, out: NDArray[Any]) -> None:
        """Fill `out` (last - first, slow, fast), contiguous, with frames `first` to `last`."""
        ...


@dataclass(frozen=True)
class BlockedFrames:
    """The frames of a reader in blocks of `block` frames; attributes as those of a dask array."""

    reader: FrameReader
    block: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(frame, slow, fast)."""
        return self.reader.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the counts."""
        return self.reader.dtype

    @property
    def ndim(self) -> int:
        """Three."""
        return 3

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...]:
        """Frames in each block, rows, columns."""
        n, slow, fast = self.shape
        whole, rest = divmod(n, self.block)
        return (self.block,) * whole + (rest,) * (rest > 0), (slow,), (fast,)

    @property
    def chunksize(self) -> tuple[int, ...]:
        """Of the largest block."""
        return min(self.block, self.shape[0]), *self.shape[1:]

    @property
    def numblocks(self) -> tuple[int, int, int]:
        """Blocks along each axis."""
        return len(self.chunks[0]), 1, 1

    @property
    def name(self) -> str:
        """What the keys of the graph begin with."""
        return f"frames-{tokenize(self.reader, self.block)}"

    @property
    def dask(self) -> dict[Key, Any]:
        """The graph: a task a block, which reads it."""
        name, lengths = self.name, self.chunks[0]
        stops = list(accumulate(lengths))
        keys = [(name, i, 0, 0) for i in range(len(lengths))]
        return {
            key: Task(key, read_frames, self.reader, stop - n, stop)
            for key, n, stop in zip(keys, lengths, stops, strict=True)
        }


@dataclass(frozen=True)
class SharedReaderFrames(BlockedFrames):
    """The same of a reader that holds much: it is one entry of the graph, which blocks share."""

    @property
    def dask(self) -> dict[Key, Any]:
        """The graph: the reader, and a task a block."""
        name, lengths = self.name, self.chunks[0]
        shared = f"reader-{name}"
        stops = list(accumulate(lengths))
        keys = [(name, i, 0, 0) for i in range(len(lengths))]
        return {
            shared: DataNode(shared, self.reader),
            **{
                key: Task(key, read_frames, TaskRef(shared), stop - n, stop)
                for key, n, stop in zip(keys, lengths, stops, strict=True)
            },
        }


def read_frames(reader: FrameReader, first: int, last: int) -> NDArray[Any]:
    """Return frames `first` to `last` (not included) of a reader."""
    return reader.read(first, last)


def frame_of(graph: Mapping[Key, Any], key: Key, index: int) -> NDArray[Any] | None:
    """Return one frame of the block that an entry of `BlockedFrames.dask` reads; None for others.

    index : in the block.
    """
    found = _reader_of(graph, key)
    if found is None:
        return None
    reader, first, _ = found
    return np.asarray(read_frames(reader, first + index, first + index + 1)[0])


def fill(graph: Mapping[Key, Any], key: Key, out: NDArray[Any]) -> bool:
    """Read the block of an entry of `BlockedFrames.dask` into `out` (frame, slow, fast); return
    whether its reader can. What the reader raises is raised.
    """
    found = _reader_of(graph, key)
    if found is None:
        return False
    reader, first, last = found
    if not isinstance(reader, FillingReader):
        return False
    reader.read_into(first, last, out)
    return True


def _reader_of(graph: Mapping[Key, Any], key: Key) -> tuple[FrameReader, int, int] | None:
    """Return what an entry of `BlockedFrames.dask` reads: reader, first, last; None for others."""
    node = graph[key]
    if not (isinstance(node, Task) and node.func is read_frames):
        return None
    reader, first, last = node.args
    if isinstance(reader, TaskRef):
        reader = graph[reader.key]({})
    return reader, first, last
