"""Blocks of frames: read where they are used, rescued frame by frame."""

from __future__ import annotations

import pickle
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from dask import delayed
from dask.callbacks import Callback
from numpy.typing import NDArray

from dxdask.errors import ChunkError
from dxdask.graphs import frames as frames_module
from dxdask.graphs.frames import FrameBlock, frame_blocks, n_groups, require_whole_frames


class Source:
    """What a file looks like to dask; frames of `bad` cannot be read."""

    def __init__(self, values: NDArray[Any], bad: tuple[int, ...] = ()) -> None:
        self.values, self.bad = values, bad
        self.shape, self.dtype, self.ndim = values.shape, values.dtype, values.ndim

    def __getitem__(self, where: Any) -> NDArray[Any]:
        if any(i in self.bad for i in range(*where[0].indices(self.shape[0]))):
            raise OSError("checksum of the chunk does not match")
        return self.values[where]


VALUES = np.arange(10 * 4 * 5, dtype=np.uint16).reshape(10, 4, 5)


def source(chunk: int = 4, bad: tuple[int, ...] = ()) -> da.Array:
    array: da.Array = da.from_array(Source(VALUES, bad), chunks=(chunk, -1, -1), name=False)
    return array


def total(block: FrameBlock, first: int) -> tuple[int, int]:
    return first, int(block.read().sum())


class Results(Callback):
    """Keeps what each task returned."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[Any] = []

    def _posttask(self, key: Any, result: Any, dsk: Any, state: Any, worker_id: Any) -> None:
        self.values.append(result)


def variants() -> list[da.Array]:
    pedestal = da.ones((4, 5), chunks=-1, dtype=np.int64)
    frames = source()
    return [
        frames,
        da.from_array(VALUES, chunks=(4, -1, -1)),
        frames.astype(np.int32) - pedestal,
        frames[3:9],
        frames.map_blocks(np.negative),
    ]


@pytest.mark.parametrize("which", range(5))
def test_frames_are_read_in_the_task_that_uses_them(which: int) -> None:
    frames = variants()[which]
    with dask.config.set(scheduler="synchronous"), Results() as results:
        sums = [delayed(total)(block, first) for block, first in frame_blocks(frames)]
        assert not results.values
        computed = dask.compute(*sums)
    read = [r for r in results.values if isinstance(r, np.ndarray) and r.ndim == 3]
    assert not read
    whole = frames.compute(scheduler="synchronous").astype(np.int64)
    stops = np.cumsum(frames.chunks[0]).tolist()
    starts = [0, *stops[:-1]]
    expected = [(a, int(whole[a:b].sum())) for a, b in zip(starts, stops, strict=True)]
    assert [c[0] for c in computed] == starts
    if frames.dtype != np.uint16 or which < 2:
        assert [c[1] % 2**16 for c in computed] == [e[1] % 2**16 for e in expected]


def test_a_block_is_small_and_can_be_sent() -> None:
    frames = da.from_array(Source(VALUES[:, :1, :1]), chunks=(2, -1, -1), name=False)
    blocks = dask.compute(*(b for b, _ in frame_blocks(frames)), scheduler="synchronous")
    assert [len(b) for b in blocks] == [2] * 5
    again = pickle.loads(pickle.dumps(blocks[3]))
    assert len(pickle.dumps(blocks[3])) < 4000
    np.testing.assert_array_equal(again.read(), VALUES[6:8, :1, :1])
    assert "first=6" in repr(again)


def test_a_bad_chunk_costs_one_frame() -> None:
    blocks = dask.compute(*(b for b, _ in frame_blocks(source(bad=(5,)))), scheduler="synchronous")
    frames, reasons = blocks[1].read_all_it_can()
    assert reasons == {1: "OSError: checksum of the chunk does not match"}
    expected = VALUES[4:8].copy()
    expected[1] = 0
    np.testing.assert_array_equal(frames, expected)
    with pytest.raises(OSError, match="checksum"):
        blocks[1].read()
    assert blocks[0].read_all_it_can()[1] == {}


def test_many_blocks_are_cheap() -> None:
    frames = da.zeros((3000, 4, 5), chunks=(1, 4, 5), dtype=np.uint16)
    blocks = frame_blocks(frames)
    assert len(blocks) == 3000
    assert len(blocks[0][0].dask) == 3000


@pytest.fixture
def in_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make groups small: three for any number of blocks."""
    monkeypatch.setattr(frames_module, "FEW_TASKS", 3)
    monkeypatch.setattr(frames_module, "MANY_TASKS", 3)


@pytest.mark.usefixtures("in_three")
@pytest.mark.parametrize("which", range(5))
def test_groups_hold_all_frames_once_and_are_read_block_by_block(which: int) -> None:
    frames = variants()[which].rechunk((1, -1, -1)) if which != 1 else source(1)
    whole = frames.compute(scheduler="synchronous")
    handles = frame_blocks(frames, grouped=True)
    assert len(handles) == 3
    blocks = dask.compute(*(block for block, _ in handles), scheduler="synchronous")
    assert [b.first for b in blocks] == [first for _, first in handles]
    np.testing.assert_array_equal(np.concatenate([b.read() for b in blocks]), whole)
    pieces = [p for b in blocks for p in pickle.loads(pickle.dumps(b)).pieces()]
    assert [len(p) for p in pieces] == [1] * len(whole)
    assert [p.first for p in pieces] == list(range(len(whole)))
    np.testing.assert_array_equal(np.concatenate([p.read() for p in pieces]), whole)


@pytest.mark.usefixtures("in_three")
def test_pieces_take_so_many_bytes_at_most_or_one_block() -> None:
    handles = frame_blocks(source(1), grouped=True)
    blocks = dask.compute(*(block for block, _ in handles), scheduler="synchronous")
    image = VALUES[0].nbytes
    assert [[len(p) for p in b.pieces(2 * image)] for b in blocks] == [[2, 1], [2, 1], [2, 2]]
    assert [len(p) for p in blocks[2].pieces(100 * image)] == [4]
    assert [len(p) for p in blocks[2].pieces(image - 1)] == [1] * 4


@pytest.mark.usefixtures("in_three")
def test_a_bad_chunk_of_a_group_costs_one_frame() -> None:
    handles = frame_blocks(source(2, bad=(3, 8)), grouped=True)
    blocks = dask.compute(*(block for block, _ in handles), scheduler="synchronous")
    assert [len(b) for b in blocks] == [2, 4, 4]
    frames, reasons = blocks[1].read_all_it_can()
    assert reasons == {1: "OSError: checksum of the chunk does not match"}
    np.testing.assert_array_equal(frames[[0, 2, 3]], VALUES[[2, 4, 5]])
    assert list(blocks[2].read_all_it_can()[1]) == [2]


@pytest.mark.parametrize(
    ("blocks", "frames", "groups"),
    [
        (0, 0, 0), (1, 15, 1), (8, 112, 8), (64, 64, 64), (65, 65, 64), (112, 112, 64),
        (1200, 18000, 300), (18000, 18000, 512), (10**6, 10**6, 3907), (3000, 3 * 10**6, 3000),
    ],
)  # fmt: skip
def test_the_number_of_groups_is_bounded(blocks: int, frames: int, groups: int) -> None:
    assert n_groups(blocks, frames) == groups


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (da.zeros((4, 5), chunks=2), "axes"),
        (da.zeros((4, 6, 6), chunks=(1, 3, 6)), "rechunk"),
        (da.zeros((4, 6, 6))[da.zeros(4, dtype=bool)], "compute_chunk_sizes"),
    ],
)
def test_frames_must_be_whole(frames: da.Array, words: str) -> None:
    with pytest.raises(ChunkError, match=words):
        require_whole_frames(frames)
