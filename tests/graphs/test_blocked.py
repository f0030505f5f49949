"""Frames of a reader in blocks: what a builder makes of them is what it makes of a dask array."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from numpy.typing import NDArray

from dxdask.graphs.blocked import BlockedFrames
from dxdask.graphs.frames import frame_blocks

SHAPE = (7, 3, 5)


@dataclass(frozen=True)
class Reader:
    """Frames that are their numbers; those in `bad` cannot be read."""

    bad: tuple[int, ...] = ()

    shape = SHAPE
    dtype = np.dtype(np.uint16)

    def read(self, first: int, last: int) -> NDArray[Any]:
        for i in self.bad:
            if first <= i < last:
                raise OSError(f"image {i} is damaged")
        frames = np.arange(first, last, dtype=self.dtype)[:, None, None]
        return np.broadcast_to(frames, (last - first, *SHAPE[1:])).copy()


@dataclass(frozen=True)
class Filler(Reader):
    """The same into memory it is given."""

    def read_into(self, first: int, last: int, out: NDArray[Any]) -> None:
        out[:] = 99
        out[:] = self.read(first, last)


@pytest.mark.parametrize("block", [1, 2, 3, 7, 9])
def test_it_has_what_a_dask_array_has(block: int) -> None:
    frames = BlockedFrames(Reader(), block)
    whole = Reader().read(0, 7)
    array = da.from_array(whole, chunks=(min(block, 7), -1, -1))
    for name in ("shape", "dtype", "ndim", "chunks", "chunksize", "numblocks"):
        assert getattr(frames, name) == getattr(array, name), name
    assert list(frames.dask) == [(frames.name, i, 0, 0) for i in range(array.npartitions)]


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("block", [1, 2, 3, 7, 9])
def test_blocks_are_those_of_a_dask_array(block: int, grouped: bool) -> None:
    whole = Reader().read(0, 7)
    array = da.from_array(whole, chunks=(min(block, 7), -1, -1))
    lazy = frame_blocks(BlockedFrames(Reader(), block), grouped=grouped)
    like = frame_blocks(array, grouped=grouped)
    assert [first for _, first in lazy] == [first for _, first in like]
    for handle in dask.compute(*[b for b, _ in lazy], scheduler="synchronous"):
        one = pickle.loads(pickle.dumps(handle))
        np.testing.assert_array_equal(one.read(), whole[one.first : one.first + len(one)])
        read = [piece.read() for piece in one.pieces()]
        np.testing.assert_array_equal(np.concatenate(read), one.read())


@pytest.mark.parametrize("block", [1, 3, 7])
def test_a_frame_that_cannot_be_read_costs_itself_only(block: int) -> None:
    whole = Reader().read(0, 7)
    whole[[1, 4]] = 0
    handles = [b for b, _ in frame_blocks(BlockedFrames(Reader(bad=(1, 4)), block))]
    found: dict[int, str] = {}
    for one in dask.compute(*handles, scheduler="synchronous"):
        frames, reasons = one.read_all_it_can()
        np.testing.assert_array_equal(frames, whole[one.first : one.first + len(one)])
        found |= {one.first + i: reason for i, reason in reasons.items()}
    assert found == {i: f"OSError: image {i} is damaged" for i in (1, 4)}


@pytest.mark.parametrize("reader", [Filler(), Filler(bad=(1, 4)), Reader(bad=(1, 4))])
@pytest.mark.parametrize("block", [1, 3, 7])
@pytest.mark.parametrize("n_bytes", [0, 10**6])
def test_frames_are_read_into_memory_given(reader: Reader, block: int, n_bytes: int) -> None:
    whole = Reader().read(0, 7)
    whole[list(reader.bad)] = 0
    room = np.full(SHAPE, 7, np.uint16)
    bad = set[int]()
    for handle in dask.compute(
        *[b for b, _ in frame_blocks(BlockedFrames(reader, block), grouped=True)],
        scheduler="synchronous",
    ):
        for piece in handle.pieces(n_bytes):
            frames, reasons = piece.read_all_it_can(room[: len(piece)])
            np.testing.assert_array_equal(frames, whole[piece.first :][: len(piece)])
            bad |= {piece.first + i for i in reasons}
            if isinstance(reader, Filler):
                assert np.shares_memory(frames, room)
    assert bad == set(reader.bad)


def test_names_tell_readers_and_blocks_apart() -> None:
    names = [BlockedFrames(r, b).name for r in (Reader(), Reader(bad=(1,))) for b in (1, 2)]
    assert len(set(names)) == 4
    assert BlockedFrames(Reader(), 2).name == names[1]
