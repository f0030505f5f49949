"""Decompression of chunks: as HDF5's own filters wrote them, and with any damage."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxdask.errors import FormatError
from dxdask.storage.codecs import COMPRESSIONS, decompress

DTYPES = ("u1", "u2", "u4", "i4", ">u2", "u8", "f4")
FILTERS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "deflate": {"compression": "gzip"},
    "shuffle+deflate": {"compression": "gzip", "shuffle": True},
    "lz4": hdf5plugin.LZ4(),
    "bitshuffle": hdf5plugin.Bitshuffle(cname="none"),
    "bitshuffle+lz4": hdf5plugin.Bitshuffle(),
    "bitshuffle+zstd": hdf5plugin.Bitshuffle(cname="zstd"),
}


def compressed_by_hdf5(frame: np.ndarray, name: str, **more: Any) -> bytes:
    with h5py.File(io.BytesIO(), "w") as file:
        dataset = file.create_dataset(
            "data", data=frame[None], chunks=(1, *frame.shape), **{**FILTERS[name], **more}
        )
        mask, data = dataset.id.read_direct_chunk((0, 0, 0))
        assert mask == 0
        return bytes(data)


def counts(shape: tuple[int, int], dtype: str, rate: float, seed: int) -> np.ndarray:
    """Return background, strong pixels and a masked corner, as far as the dtype holds them."""
    random = np.random.default_rng(seed)
    frame = random.poisson(rate, shape).astype(np.float64)
    frame[random.random(shape) < 0.02] *= 50
    kind = np.dtype(dtype)
    top = np.iinfo(kind).max if kind.kind in "iu" else 1e30
    frame = np.minimum(frame, float(min(top, 2**31)))
    out = frame.astype(kind)
    out[: shape[0] // 3, : shape[1] // 4] = top
    return out


def decompressed(compression: str, data: bytes, like: np.ndarray) -> np.ndarray:
    out = np.empty_like(like)
    decompress(compression, data, out)
    return out


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("compression", FILTERS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 5), (16, 8), (37, 41), (130, 257)])
def test_chunks_compressed_by_hdf5_come_back(
    compression: str, dtype: str, shape: tuple[int, int]
) -> None:
    frame = counts(shape, dtype, 3.0, seed=shape[1])
    data = compressed_by_hdf5(frame, compression)
    np.testing.assert_array_equal(decompressed(compression, data, frame), frame)


@pytest.mark.parametrize("elements", [8, 64, 2048])
@pytest.mark.parametrize("cname", ["lz4", "zstd"])
def test_blocks_of_another_size(elements: int, cname: str) -> None:
    frame = counts((37, 41), "u2", 3.0, seed=1)
    given = hdf5plugin.Bitshuffle(nelems=elements, cname=cname)
    data = compressed_by_hdf5(frame, f"bitshuffle+{cname}", **given)
    np.testing.assert_array_equal(decompressed(f"bitshuffle+{cname}", data, frame), frame)


@given(
    st.sampled_from(DTYPES),
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from([0.0, 0.1, 5.0, 400.0]),
    st.integers(0, 1000),
    st.sampled_from(["lz4", "bitshuffle+lz4"]),
)
def test_any_frame_comes_back(
    dtype: str, slow: int, fast: int, rate: float, seed: int, compression: str
) -> None:
    frame = counts((slow, fast), dtype, rate, seed)
    data = compressed_by_hdf5(frame, compression)
    np.testing.assert_array_equal(decompressed(compression, data, frame), frame)


@given(st.binary(max_size=3000), st.integers(1, 7), st.integers(0, 3))
def test_repeats_at_every_distance(seed: bytes, distance: int, tail: int) -> None:
    pattern = (seed or b"a")[:distance]
    body = np.frombuffer((pattern * 5000)[: 4000 + tail] + seed, dtype=np.uint8)[None]
    np.testing.assert_array_equal(decompressed("lz4", compressed_by_hdf5(body, "lz4"), body), body)


def guarded(compression: str, data: bytes, shape: tuple[int, int], dtype: str) -> np.ndarray | None:
    """Decompress into the middle of a larger array; None on an error. Nothing else changes."""
    n = shape[0] * shape[1]
    room = np.full(3 * n, 77, dtype=dtype)
    try:
        decompress(compression, data, room[n : 2 * n].reshape(shape))
    except FormatError:
        return None
    finally:
        assert (room[:n] == 77).all()
        assert (room[2 * n :] == 77).all()
    return room[n : 2 * n].reshape(shape)


@given(
    st.sampled_from([*FILTERS]),
    st.sampled_from(["u1", "u2", "i4"]),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=8),
    st.integers(0, 4),
)
def test_flipped_bytes_never_leave_the_arrays(
    compression: str, dtype: str, flips: list[tuple[int, int]], seed: int
) -> None:
    data = bytearray(compressed_by_hdf5(counts((23, 45), dtype, 2.0, seed), compression))
    for at, change in flips:
        data[at % len(data)] ^= change
    guarded(compression, bytes(data), (23, 45), dtype)


@given(
    st.sampled_from([*COMPRESSIONS]), st.binary(max_size=400), st.sampled_from(["u1", "u2", "i4"])
)
def test_any_bytes_never_leave_the_arrays(compression: str, data: bytes, dtype: str) -> None:
    guarded(compression, data, (9, 11), dtype)


@pytest.mark.parametrize("compression", FILTERS)
def test_truncated_or_lengthened_is_an_error(compression: str) -> None:
    frame = counts((23, 45), "u2", 2.0, 0)
    data = compressed_by_hdf5(frame, compression)
    for cut in (1, 5, len(data) // 2, len(data) - 3, len(data)):
        assert guarded(compression, data[: len(data) - cut], frame.shape, "u2") is None
    if compression in ("none", "bitshuffle", "bitshuffle+lz4", "bitshuffle+zstd"):
        assert guarded(compression, data + b"0", frame.shape, "u2") is None


@pytest.mark.parametrize("compression", ["lz4", "bitshuffle+lz4", "bitshuffle+zstd"])
@pytest.mark.parametrize("size", [0, 1, 10**12, 2**64 - 1])
def test_the_size_announced_must_be_the_chunks(compression: str, size: int) -> None:
    frame = counts((23, 45), "u2", 2.0, 0)
    data = size.to_bytes(8, "big") + compressed_by_hdf5(frame, compression)[8:]
    with pytest.raises(FormatError, match="bytes"):
        decompressed(compression, data, frame)


@pytest.mark.parametrize("block", [0, 3, 17, 2**32 - 1])
def test_blocks_that_cannot_be(block: int) -> None:
    frame = counts((23, 45), "u2", 2.0, 0)
    data = compressed_by_hdf5(frame, "bitshuffle+lz4")
    with pytest.raises(FormatError):
        decompressed("bitshuffle+lz4", data[:8] + block.to_bytes(4, "big") + data[12:], frame)


def test_an_unknown_compression_is_named() -> None:
    with pytest.raises(FormatError, match="'szip' is not known; none, deflate"):
        decompress("szip", b"", np.empty((1, 1), np.uint8))
