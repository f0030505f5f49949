"""Blocks of frames that carry the reasons why some could not be read."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from dxdask.frame_block import FrameBlock, invalid_pixel_value, unreadable_frames

VALUES = np.arange(5 * 2 * 3, dtype=np.uint16).reshape(5, 2, 3)
BLOCK = FrameBlock(VALUES, {1: "damaged", 4: "gone"})


def test_it_is_an_array_with_reasons() -> None:
    assert np.shares_memory(BLOCK, VALUES)
    assert BLOCK.dtype == VALUES.dtype
    np.testing.assert_array_equal(np.asarray(BLOCK), VALUES)
    assert unreadable_frames(BLOCK) == {1: "damaged", 4: "gone"}
    assert unreadable_frames(VALUES) == {}
    assert unreadable_frames(FrameBlock(VALUES)) == {}


def test_slices_of_images_keep_the_reasons_of_theirs() -> None:
    assert unreadable_frames(BLOCK[1:]) == {0: "damaged", 3: "gone"}
    assert unreadable_frames(BLOCK[:4, 1:, ::2]) == {1: "damaged"}
    assert unreadable_frames(BLOCK[::-1]) == {3: "damaged", 0: "gone"}
    assert unreadable_frames(BLOCK[::2]) == {2: "gone"}
    assert unreadable_frames(BLOCK[2:4]) == {}
    assert BLOCK[1, 0, 2] == VALUES[1, 0, 2]


def test_what_is_computed_of_it_has_none() -> None:
    assert unreadable_frames(BLOCK.astype(np.int32)) == {}
    assert unreadable_frames(BLOCK + 1) == {}


@pytest.mark.parametrize("protocol", [2, 5])
def test_it_travels_with_the_reasons(protocol: int) -> None:
    again = pickle.loads(pickle.dumps(BLOCK, protocol=protocol))
    assert isinstance(again, FrameBlock)
    np.testing.assert_array_equal(np.asarray(again), VALUES)
    assert again.unreadable == BLOCK.unreadable


def test_the_invalid_value_of_each_dtype() -> None:
    assert invalid_pixel_value(np.dtype(np.uint16)) == 65535
    assert invalid_pixel_value(np.dtype(np.int32)) == 2**31 - 1
    assert np.isnan(invalid_pixel_value(np.dtype(np.float32)))
