"""Frames of a reader as a dask array: blocks of whole files, and what cannot be read."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
from numpy.typing import NDArray
from support.frame_readers import MemoryReader, marked, stored
from support.store_examples import write_run

from dxdask.errors import ChunkError, LinkedFileError, SchemaError, StoreWriteError
from dxdask.frame_block import FrameBlock, unreadable_frames
from dxdask.storage.frames.buffers import FrameBuffers
from dxdask.storage.frames.lazy import (
    LARGEST_BLOCK,
    MANY_BLOCKS,
    images_in_block,
    lazy_frames,
    read_tolerant,
)
from dxdask.storage.frames.reader import FillingReader
from dxdask.storage.store.store import Store

NUMBERS = np.broadcast_to(np.arange(7, dtype=np.uint16)[:, None, None], (7, 3, 5)).copy()


@dataclass(frozen=True)
class Filler(MemoryReader, FillingReader):
    """The same into memory it is given, which it spoils where it fails."""

    def read_into(self, first: int, last: int, out: NDArray[Any]) -> None:
        out[:] = 99
        out[:] = self.read(first, last)


@pytest.mark.parametrize("reader", [MemoryReader, Filler])
@pytest.mark.parametrize("block", [1, 2, 3, 7, 9])
def test_blocks_hold_all_frames(block: int, reader: type[MemoryReader]) -> None:
    frames = lazy_frames(reader(NUMBERS), block, unreadable="mark")
    assert frames.shape == NUMBERS.shape
    assert frames.dtype == NUMBERS.dtype
    assert frames.chunks[0] == tuple(min(block, 7 - i) for i in range(0, 7, block))
    assert len(frames.__dask_graph__()) == 2 + frames.numblocks[0]
    np.testing.assert_array_equal(frames.compute(scheduler="threads"), NUMBERS)


@pytest.mark.parametrize("reader", [MemoryReader, Filler])
@pytest.mark.parametrize("block", [1, 3, 7])
@pytest.mark.parametrize("buffers", [None, FrameBuffers()])
def test_a_frame_that_cannot_be_read_costs_itself_only(
    block: int, reader: type[MemoryReader], buffers: FrameBuffers | None
) -> None:
    whole = NUMBERS.copy()
    whole[[1, 4]] = 0
    found: dict[int, str] = {}
    for first in range(0, 7, block):
        frames = read_tolerant(
            reader(NUMBERS, (1, 4)), first, min(first + block, 7), buffers
        )  # fmt: skip
        assert isinstance(frames, FrameBlock)
        np.testing.assert_array_equal(frames, whole[first : first + block])
        found |= {first + i: reason for i, reason in frames.unreadable.items()}
    assert found == dict.fromkeys((1, 4), "ValueError: truncated chunk")


@pytest.mark.parametrize("block", [1, 3, 7])
def test_damaged_files_of_a_store(tmp_path: Path, block: int) -> None:
    frames = stored(tmp_path, NUMBERS, block, bad=(2, 3))
    blocks = dask.compute(*frames.to_delayed().ravel(), scheduler="synchronous")
    found = [unreadable_frames(b) for b in blocks]
    assert [block * k + i for k, reasons in enumerate(found) for i in reasons] == [2, 3]
    good = NUMBERS.copy()
    good[[2, 3]] = 0
    np.testing.assert_array_equal(np.concatenate(blocks), good)
    store = Store.open(tmp_path / "ensemble.zarr")
    with pytest.raises(
        SchemaError, match=r"image [34] cannot be read: .*delete .*runs/run1 and import"
    ):
        store.frames("run1", block=block).compute(scheduler="synchronous")
    np.testing.assert_array_equal(store.frames("run1")[4:].compute(), NUMBERS[4:])


@pytest.mark.parametrize(
    "error", [MemoryError("full"), StoreWriteError("full"), LinkedFileError("moved")]
)
def test_what_concerns_more_than_a_frame_is_raised(error: Exception) -> None:
    class Failing(MemoryReader):
        def read(self, first: int, last: int) -> NDArray[Any]:
            raise error

    with pytest.raises(type(error)):
        read_tolerant(Failing(NUMBERS), 0, 3)
    with pytest.raises(type(error)):
        lazy_frames(Failing(NUMBERS), 3, unreadable="mark").compute(scheduler="synchronous")


def test_memory_of_a_block_is_that_of_an_earlier_one(store: Store) -> None:
    write_run(store, "run1", NUMBERS)
    reader, buffers = store.frame_reader("run1"), FrameBuffers()
    first = read_tolerant(reader, 0, 3, buffers)
    where = first.__array_interface__["data"][0]
    second = read_tolerant(reader, 3, 6, buffers)
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(first, NUMBERS[:3])
    del first
    third = read_tolerant(reader, 4, 7, buffers)
    assert third.__array_interface__["data"][0] == where
    np.testing.assert_array_equal(second, NUMBERS[3:6])


def test_names_follow_the_reader_and_the_blocks() -> None:
    names = [marked(NUMBERS, b, bad).name for bad in ((), (1,)) for b in (1, 2)]
    assert len(set(names)) == 4
    assert marked(NUMBERS, 2).name == names[1]


def test_a_task_that_reads_is_small() -> None:
    frames = lazy_frames(MemoryReader(np.zeros((100, 50, 50), np.uint16)), 1, unreadable="mark")
    graph = dict(frames.dask)
    tasks = {k: v for k, v in graph.items() if isinstance(k, tuple)}
    assert len(tasks) == 100
    assert len(pickle.dumps(list(tasks.values()))) < 100 * 600


SIZES = [
    ((112, 1060, 1024), "uint16", 1, 15),
    ((100, 1060, 1024), "uint16", 4, 12),
    ((100, 1060, 1024), "uint16", 20, 20),
    ((3, 1060, 1024), "uint16", 1, 3),
    ((100, 4362, 4148), "uint32", 1, 1),
    ((2000, 1060, 1024), "uint16", 1, 30),
    ((3600, 4362, 4148), "uint16", 1, 2),
    ((18000, 4362, 4148), "uint16", 1, 6),
    ((18000, 3000, 3000), "uint16", 1, 6),
    ((18000, 3000, 3000), "int32", 1, 6),
    ((100_000, 2048, 2048), "int32", 1, 16),
    ((100_000, 512, 1024), "int32", 1, 34),
    ((18000, 3000, 3000), "uint16", 4, 8),
]


@pytest.mark.parametrize(("shape", "dtype", "step", "images"), SIZES)
def test_the_size_of_a_block(
    shape: tuple[int, int, int], dtype: str, step: int, images: int
) -> None:
    found = images_in_block(shape, np.dtype(dtype), step)
    assert min(found, shape[0]) == images
    assert found % step == 0
    image = int(np.prod(shape[1:])) * np.dtype(dtype).itemsize
    assert found == step or found * image <= LARGEST_BLOCK
    assert -(-shape[0] // found) <= MANY_BLOCKS or (found + step) * image > LARGEST_BLOCK


@pytest.mark.parametrize("block", [0, -2])
def test_a_block_of_nothing_is_refused(block: int) -> None:
    with pytest.raises(ChunkError, match="multiple of 1"):
        lazy_frames(MemoryReader(NUMBERS), block, unreadable="mark")
