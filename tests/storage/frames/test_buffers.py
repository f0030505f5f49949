"""Memory of blocks: used again once no view of it is left, and never before."""

from __future__ import annotations

import gc
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from dxdask.frame_block import FrameBlock
from dxdask.storage.frames.buffers import FrameBuffers

UINT16, INT32 = np.dtype(np.uint16), np.dtype(np.int32)


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_memory_comes_back_when_the_array_is_gone() -> None:
    buffers = FrameBuffers()
    array = buffers.take((3, 4, 5), UINT16)
    assert array.shape == (3, 4, 5)
    assert array.dtype == UINT16
    assert array.flags.c_contiguous
    assert array.flags.writeable
    where = address(array)
    del array
    smaller = buffers.take((2, 3, 5), INT32)
    assert address(smaller) == where
    del smaller
    assert buffers.take((9, 4, 5), UINT16).shape == (9, 4, 5)


def test_memory_stays_while_any_view_of_it_is_left() -> None:
    buffers = FrameBuffers()
    block = FrameBlock(buffers.take((4, 3, 2), UINT16), {1: "bad"})
    block[:] = 7
    views = [block[1:3], np.asarray(block)[2], block[0].T, np.asarray(block[3:]).view(np.uint8)]
    del block
    while views:
        gc.collect()
        other = buffers.take((4, 3, 2), UINT16)
        other[:] = 9
        assert all((v == 7).all() or (v.dtype == np.uint8) for v in views)
        assert not any(np.shares_memory(other, v) for v in views)
        views.pop()
        del other
    assert len(buffers._idle) == 2


def test_as_many_are_kept_as_were_in_use_at_a_time() -> None:
    buffers = FrameBuffers()

    def use(n: int) -> bool:
        array = buffers.take((n + 1, 10, 10), INT32)
        array[:] = n
        return bool((array == n).all())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(use, range(200)))
    assert 1 <= len(buffers._idle) <= 4


def test_it_is_sent_empty_and_outlived_by_what_it_lent() -> None:
    buffers = FrameBuffers()
    array = buffers.take((2, 2, 2), INT32)
    array[:] = 5
    buffers.take((2, 2, 2), INT32)
    assert len(buffers._idle) == 1
    assert len(pickle.loads(pickle.dumps(buffers))._idle) == 0
    del buffers
    gc.collect()
    assert (array == 5).all()
