"""Compressions of CBF files: compressed images come back, damaged ones give an error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.raw_examples import byte_offset

from dxdask.errors import FormatError
from dxdask.storage.codecs.byte_offset import decode_byte_offset
from dxdask.storage.importers.cbf.packed import decode_packed

images = hnp.arrays(
    np.int32,
    hnp.array_shapes(min_dims=1, max_dims=1, max_side=200),
    elements=st.integers(-(2**31), 2**31 - 1) | st.integers(-3, 400),
)


def packed(image):
    """Return a packed image (section, slow, fast), each number in a group of its own."""
    sections, slow, fast = image.shape
    head = image.size.to_bytes(8, "little") + bytes(24)
    bits: list[int] = []
    for s in range(sections):
        for y in range(slow):
            for x in range(fast):
                residual = int(image[s, y, x]) - predicted(image, s, y, x)
                code, width = next(
                    (c, w)
                    for c, w in enumerate((0, 4, 5, 6, 7, 8, 16, 33))
                    if (w == 0 and residual == 0)
                    or (w and -(1 << (w - 1)) <= residual < 1 << (w - 1))
                )
                bits += [0, 0, 0, *((code >> k) & 1 for k in range(3))]
                bits += [(residual >> k) & 1 for k in range(width)]
    return np.frombuffer(head + np.packbits(bits, bitorder="little").tobytes(), dtype=np.uint8)


def predicted(image, s, y, x):
    """Return the mean of the neighbours before a pixel, as in CBFlib."""
    fast = image.shape[2]
    if y == 0:
        if x:
            return int(image[s, 0, x - 1])
        return int(image[s - 1, 0, 0]) if s else 0
    places = [(s, y, x - 1)] if x else []
    if s and x:
        places.append((s - 1, y, x))
    for t in {max(s - 1, 0), s}:
        places.append((t, y - 1, x))
        if x < fast - 1:
            places.append((t, y - 1, x + 1))
        if 0 < x < fast - 1:
            places.append((t, y - 1, x - 1))
    total = sum(int(image[p]) for p in places)
    return total if len(places) == 1 else (total + len(places) // 2) // len(places)


@given(images)
def test_byte_offset_comes_back(image):
    data = np.frombuffer(byte_offset(image), dtype=np.uint8)
    np.testing.assert_array_equal(decode_byte_offset(data, image.size), image)


@given(images, st.integers(1, 8))
def test_a_truncated_byte_offset_is_an_error(image, cut):
    data = np.frombuffer(byte_offset(image), dtype=np.uint8)
    with pytest.raises(FormatError):
        decode_byte_offset(data[: max(data.size - cut, 0)], image.size)


def test_byte_offset_that_leaves_32_bits_is_an_error():
    data = np.frombuffer(byte_offset(np.array([2**31 - 1], np.int32)), dtype=np.uint8)
    with pytest.raises(FormatError, match="are invalid at pixel 1 of 2"):
        decode_byte_offset(np.concatenate([data, np.array([1], np.uint8)]), 2)


def test_more_pixels_than_bytes_are_refused_before_memory_is_asked_for():
    with pytest.raises(FormatError, match="announced in 3 compressed bytes"):
        decode_byte_offset(np.zeros(3, np.uint8), 10**15)
    with pytest.raises(FormatError, match="announced in 40 compressed bytes"):
        decode_packed(np.zeros(40, np.uint8), (10**5, 10**5, 10**5))


@given(
    hnp.arrays(
        np.int32,
        st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(2, 7)),
        elements=st.integers(-(2**30), 2**30) | st.integers(-20, 20),
    )
)
def test_packed_comes_back(image):
    np.testing.assert_array_equal(decode_packed(packed(image), image.shape), image)


def test_a_truncated_packed_image_is_an_error():
    image = np.arange(60, dtype=np.int32).reshape(1, 6, 10) ** 2
    with pytest.raises(FormatError, match="end at pixel"):
        decode_packed(packed(image)[:-4], image.shape)
    with pytest.raises(FormatError, match="60 packed pixels where the header announces 50"):
        decode_packed(packed(image), (1, 5, 10))
