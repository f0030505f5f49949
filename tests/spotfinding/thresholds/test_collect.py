"""The list of strong pixels: NumPy's own, for any layout of the arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxdask.errors import InputError
from dxdask.spotfinding.thresholds.collect import _list_marked, collect


@given(
    seed=st.integers(0, 2**32 - 1),
    density=st.sampled_from([0.0, 0.01, 0.5, 1.0]),
    dtype=st.sampled_from(["u1", "u2", "i4", "f4", "f8"]),
)
def test_pixels_come_row_by_row(seed: int, density: float, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    block = rng.integers(0, 200, (3, *rng.integers(1, 30, 2))).astype(dtype)
    marks = rng.random(block.shape) < density
    for image, strong in (
        (block[0], marks[0]),
        (block[1], marks[1]),  # begins at any byte
        (block[2].T, marks[2].T),
        (block[2, ::2, 1:], marks[2, ::2, 1:]),
    ):
        x, y, value = collect(strong, image)
        rows, columns = np.nonzero(strong)
        np.testing.assert_array_equal(x, columns)
        np.testing.assert_array_equal(y, rows)
        np.testing.assert_array_equal(value, image[strong])
        assert (x.dtype, y.dtype, value.dtype) == (np.int32, np.int32, np.float64)


def test_a_frame_without_pixels_gives_an_empty_list() -> None:
    x, y, value = collect(np.zeros((0, 5), bool), np.zeros((0, 5), np.uint16))
    assert x.size == y.size == value.size == 0


def test_frames_of_two_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="both of one frame"):
        collect(np.zeros((4, 5), bool), np.zeros((5, 4), np.uint16))


def test_more_pixels_than_a_byte_counts_without_compilation() -> None:
    flags = np.ones(800, np.uint8)
    index = np.empty(flags.size, np.int32)
    plain = getattr(_list_marked, "py_func", _list_marked)
    assert plain(flags, flags.view(np.uint64), index) == flags.size
    np.testing.assert_array_equal(index, np.arange(flags.size))
