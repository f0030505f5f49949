"""Levels of an image and sums of images, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.viewer import from_planes

from dxdask.view.binning import maxima, no_count
from dxdask.view.tiles import SIDE, encode, pack, tile_of


def expected(image: np.ndarray, factor: int) -> np.ndarray:
    """Return the maxima of squares by numpy, without pixels that have no count."""
    slow, fast = (-(-n // factor) for n in image.shape)
    padded = np.full((slow * factor, fast * factor), -(2.0**40))
    values = image.astype(np.float64)
    mark = no_count(image.dtype)
    if mark is not None:
        values[image == mark] = -(2.0**40)
    padded[: image.shape[0], : image.shape[1]] = values
    out = padded.reshape(slow, factor, fast, factor).max(axis=(1, 3))
    if mark is not None:
        out[out < 0] = mark
    return out.astype(image.dtype)


@given(
    st.sampled_from(["u1", "u2", "u4", "i2", "i4", "f4"]),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from([1, 2, 4, 8, 16]),
    st.integers(0, 2**31),
)
def test_levels_are_those_of_numpy(
    dtype: str, shape: tuple[int, int], factor: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    image = random.integers(0, 100, shape).astype(dtype)
    mark = no_count(image.dtype)
    if mark is None:
        image -= 50
    else:
        image[random.random(shape) < 0.4] = mark
    np.testing.assert_array_equal(maxima(image, factor), expected(image, factor))


def test_a_gap_does_not_spread_and_a_square_within_it_stays_one() -> None:
    image = np.full((8, 8), 65535, np.uint16)
    image[:, :3] = 7
    level = maxima(image, 4)
    assert level.tolist() == [[7, 65535], [7, 65535]]


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f4", "i8", "?"])
def test_an_encoded_array_keeps_its_numbers(dtype: str) -> None:
    values = np.arange(6).reshape(2, 3).astype(dtype)
    content = encode(values)
    code, fast, slow, _ = np.frombuffer(content, "<i4", 4).tolist()
    assert (slow, fast) == (2, 3)
    kind = ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8")[code]
    np.testing.assert_array_equal(from_planes(content, kind, 16, values.size), values.ravel())


def test_tiles_outside_are_empty() -> None:
    image = np.zeros((SIDE + 1, SIDE), np.uint16)
    assert tile_of(image, 0, 1).shape == (1, SIDE)
    assert tile_of(image, 1, 0).size == tile_of(image, -1, 0).size == 0


def test_arrays_that_a_browser_cannot_hold_are_refused() -> None:
    with pytest.raises(TypeError, match="int64"):
        pack({"a": np.zeros(2, np.int64)})
