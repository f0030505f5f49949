"""The list of strong pixels: NumPy's own, for any layout of the arrays."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dxdask.spotfinding.thresholds.marked_pixels import list_marked, marked, pixels_at


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
        x, y, value = pixels_at(marked(strong), image)
        rows, columns = np.nonzero(strong)
        np.testing.assert_array_equal(x, columns)
        np.testing.assert_array_equal(y, rows)
        np.testing.assert_array_equal(value, image[strong])
        assert (x.dtype, y.dtype, value.dtype) == (np.int32, np.int32, np.float64)


def test_a_frame_without_pixels_gives_an_empty_list() -> None:
    x, y, value = pixels_at(marked(np.zeros((0, 5), bool)), np.zeros((0, 5), np.uint16))
    assert x.size == y.size == value.size == 0


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(0, 50), first=st.integers(0, 9))
def test_flags_are_listed_wherever_they_begin(seed: int, size: int, first: int) -> None:
    flags = (np.random.default_rng(seed).random(size + first) < 0.3)[first:]
    np.testing.assert_array_equal(marked(flags), np.flatnonzero(flags))


def test_more_pixels_than_a_byte_counts_without_compilation() -> None:
    flags = np.ones(800, np.uint8)
    index = np.empty(flags.size + 4, np.int32)
    plain = getattr(list_marked, "py_func", list_marked)
    assert plain(flags.view(np.uint64), flags, 1000, index, 3) == flags.size + 3
    np.testing.assert_array_equal(index[3:-1], 1000 + np.arange(flags.size))
