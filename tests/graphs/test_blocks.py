"""Kernels mapped over frames: fused with what reads them, one record a block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from dask import delayed
from dask.delayed import Delayed
from dask.utils import ensure_dict
from numpy.typing import NDArray
from support.frame_readers import MemoryReader, Results, marked, n_tasks, refuse, stored

from dxdask.errors import ChunkError
from dxdask.graphs.blocks import (
    Block,
    as_record,
    block_ranges,
    map_frames,
    map_records,
    records_of_ranges,
    require_whole_frames,
)
from dxdask.storage.frames.lazy import lazy_frames

VALUES = np.arange(10 * 4 * 5, dtype=np.uint16).reshape(10, 4, 5)


class Source:
    """A file as h5py shows it."""

    shape, dtype, ndim = VALUES.shape, VALUES.dtype, 3

    def __getitem__(self, where: Any) -> NDArray[Any]:
        return VALUES[where]


def source(chunk: int = 4) -> da.Array:
    array: da.Array = da.from_array(Source(), chunks=(chunk, -1, -1), name=False)
    return array


Sums = tuple[int, list[int], dict[int, str]]


def total(block: Block, offset: int, scale: int) -> Sums:
    sums = scale * block.frames.astype(np.int64).sum(axis=(1, 2)) + offset
    return block.first, sums.tolist(), dict(block.unreadable)


def totals(frames: da.Array, **others: Any) -> list[Delayed]:
    shared = [delayed(7, name="offset-7"), delayed(2, name="scale-2")]
    return map_frames(total, frames, shared, label="total", **others)


def expected(frames: NDArray[Any], chunks: tuple[int, ...]) -> list[tuple[int, list[int]]]:
    sums = 2 * frames.astype(np.int64).sum(axis=(1, 2)) + 7
    stops = np.cumsum(chunks).tolist()
    return [(b - n, sums[b - n : b].tolist()) for n, b in zip(chunks, stops, strict=True)]


def variants(folder: Path) -> dict[str, da.Array]:
    frames = source()
    pedestal = da.ones((4, 5), chunks=-1, dtype=np.int64)
    return {
        "store": stored(folder, VALUES, 4),
        "marked": marked(VALUES, 4),
        "plain": lazy_frames(MemoryReader(VALUES), 4, unreadable="mark").map_blocks(np.asarray),
        "file": frames,
        "memory": da.from_array(VALUES, chunks=(4, -1, -1)),
        "corrected": frames.astype(np.int32) - pedestal,
        "mapped": frames.map_blocks(np.negative),
        "sliced": frames[3:9],
    }


VARIANTS = ("store", "marked", "plain", "file", "memory", "corrected", "mapped", "sliced")


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
@pytest.mark.parametrize("name", VARIANTS)
def test_sums_of_all_frames(name: str, scheduler: str, tmp_path: Path) -> None:
    frames = variants(tmp_path)[name]
    whole = np.asarray(frames.compute(scheduler="synchronous"))
    records = dask.compute(*totals(frames), scheduler=scheduler)
    assert {r.shape for r in records} == {(1, 1, 1)}
    assert [r.item()[:2] for r in records] == expected(whole, frames.chunks[0])


@pytest.mark.parametrize("name", [n for n in VARIANTS if n != "sliced"])
def test_frames_are_read_in_the_task_that_uses_them(name: str, tmp_path: Path) -> None:
    frames = variants(tmp_path)[name]
    with dask.config.set(scheduler="synchronous"), Results() as results:
        records = totals(frames)
        assert not results.values
        dask.compute(*records)
    assert len(results.values) >= 3
    assert not results.frames


def test_one_task_a_block_and_their_shared_input(tmp_path: Path) -> None:
    for chunk in (1, 4, 10):
        n = -(-10 // chunk)
        for frames in (stored(tmp_path / str(chunk), VALUES, chunk), marked(VALUES, chunk)):
            with dask.config.set(scheduler=refuse):
                records = totals(frames)
            # the reader and its memory; the first frames, and the two shared values
            assert len(ensure_dict(records[0].dask)) == 2 + 3 + n
        assert n_tasks(totals(source(chunk))[0]) <= 1 + 3 + 1


def test_a_block_that_is_not_used_is_not_mapped() -> None:
    records = totals(marked(VALUES, 3), used=[1, 3])
    assert [r.compute(scheduler="synchronous").item()[0] for r in records] == [3, 9]
    assert len(ensure_dict(records[0].dask)) == 2 + 3 + 2


@pytest.mark.parametrize("block", [1, 4, 10])
def test_a_kernel_gets_the_reasons_of_frames_that_cannot_be_read(
    block: int, tmp_path: Path
) -> None:
    whole = VALUES.copy()
    whole[[1, 5]] = 0
    for frames in (stored(tmp_path, VALUES, block, bad=(1, 5)), marked(VALUES, block, (1, 5))):
        found = [r.item() for r in dask.compute(*totals(frames), scheduler="synchronous")]
        assert [f[:2] for f in found] == expected(whole, frames.chunks[0])
        assert sorted(first + i for first, _, reasons in found for i in reasons) == [1, 5]
        reasons = [reason for f in found for reason in f[2].values()]
        assert len(reasons) == 2
        assert all("cannot be read" in r or "truncated chunk" in r for r in reasons)


def twice(sums: Sums, factor: int) -> list[int]:
    return [factor * s for s in sums[1]]


def difference(block: Block, doubled: list[int], offset: int) -> tuple[int, list[int]]:
    sums = block.frames.astype(np.int64).sum(axis=(1, 2))
    return block.first, (np.array(doubled) - offset * sums).tolist()


def span(first: int, stop: int, offset: int) -> tuple[int, int]:
    return first + offset, stop + offset


@pytest.mark.parametrize("used", [None, [0, 2]])
@pytest.mark.parametrize("block", [2, 4, 10])
def test_records_go_into_a_second_map(block: int, used: list[int] | None) -> None:
    frames = marked(VALUES, block)
    used = None if block == 10 else used
    with dask.config.set(scheduler=refuse):
        first = totals(frames, used=used)
        second = map_records(twice, first, [delayed(2, name="factor")], label="twice")
        last = map_frames(
            difference, frames, [delayed(4, name="four")], label="last", used=used, parts=second
        )
    found = [r.item() for r in dask.compute(*last, scheduler="synchronous")]
    numbers = range(len(frames.chunks[0])) if used is None else used
    assert [f[0] for f in found] == [block * i for i in numbers]
    assert all(s == 14 for _, sums in found for s in sums)
    n = len(first)
    assert len(ensure_dict(last[0].dask)) == 2 + 3 + 2 + 3 * n


def test_records_of_ranges_read_no_frames() -> None:
    frames = marked(VALUES, 4, bad=tuple(range(10)))
    with Results() as results:
        lazy = records_of_ranges(
            span, frames, [delayed(100, name="hundred")], label="span", used=[0, 2]
        )
        found = dask.compute(*lazy, scheduler="synchronous")
    assert [r.item() for r in found] == [(100, 104), (108, 110)]
    assert not results.frames
    assert len(ensure_dict(lazy[0].dask)) == 1 + 2


def test_a_value_still_to_be_computed_is_computed_once() -> None:
    """Its graph is not copied into the maps that use it."""
    made: list[int] = []

    def make(x: int) -> int:
        made.append(x)
        return x + 1

    value = delayed(make)(delayed(make)(5))
    frames = marked(VALUES, 10), marked(VALUES + 1, 4)
    one, other = (
        map_frames(total, f, [value, delayed(1, name="one")], label="total") for f in frames
    )
    dask.compute(*one, *other, value, scheduler="synchronous")
    assert made == [5, 6]


def test_a_record_may_be_anything() -> None:
    for value in (None, [1, 2], (3,), np.arange(4), {"a": 1}):
        assert as_record(value).item() is value


@pytest.mark.parametrize("shape", [(18000, 3000, 3000), (18000, 1060, 1024), (100_000, 512, 1024)])
@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
def test_a_long_run_makes_few_tasks(shape: tuple[int, int, int], dtype: Any) -> None:
    frames = lazy_frames(
        MemoryReader(np.broadcast_to(np.zeros(1, dtype), shape)), unreadable="mark"
    )
    with dask.config.set(scheduler=refuse):
        records = totals(frames)
    assert len(records) == len(block_ranges(frames)) <= 3000
    assert len(ensure_dict(records[0].dask)) == len(records) + 2 + 3


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
