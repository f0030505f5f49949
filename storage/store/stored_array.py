"""An array of a store as its metadata describe it, and its values.

zarr-python spends several milliseconds on each array that it opens; see `create`. The chunks are
read here into their place in the result.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import SchemaError
from dxdask.storage.store import chunks, layout, schema
from dxdask.storage.store.remedies import remedy

_CODECS = (["bytes"], ["bytes", "blosc", "crc32c"])  # as `create.array` writes them


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredArray:
    """Shape, dtype and chunks of an array; `is_packed` where they are compressed."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunk_shape: tuple[int, ...]
    is_packed: bool

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of chunks along each axis."""
        pairs = zip(self.shape, self.chunk_shape, strict=True)
        return tuple(math.ceil(n / c) for n, c in pairs)

    @property
    def n_bytes(self) -> int:
        """Size of all values."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def chunk_bytes(self) -> int:
        """Size of one chunk, unpacked."""
        return math.prod(self.chunk_shape) * self.dtype.itemsize

    def chunks_of(self, rows: range) -> Iterator[tuple[int, ...]]:
        """Yield the index of each chunk with values of `rows`, which are one after the other."""
        if not self.shape:
            yield ()
        elif rows and math.prod(self.shape):
            first, last = rows[0] // self.chunk_shape[0], rows[-1] // self.chunk_shape[0]
            for at in np.ndindex(last - first + 1, *self.grid[1:]):
                yield (at[0] + first, *at[1:])

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any], path: Path) -> StoredArray:
        """Return the array that zarr's metadata describe, `create.array` having written them.

        Raises
        ------
        SchemaError
            They are damaged, or of an array that dxdask does not write.
        """
        _check_codecs(metadata, path)
        try:
            dtype = np.dtype(metadata["data_type"]).newbyteorder("<")
            grid, keys = metadata["chunk_grid"], metadata["chunk_key_encoding"]
            shape = tuple(int(n) for n in metadata["shape"])
            chunk_shape = tuple(int(n) for n in grid["configuration"]["chunk_shape"])
            endian = metadata["codecs"][0].get("configuration", {}).get("endian", "little")
            is_known = (
                (grid["name"], keys["name"], endian) == ("regular", "default", "little")
                and keys.get("configuration", {}).get("separator", "/") == "/"
                and len(shape) == len(chunk_shape)
                and min(shape, default=0) >= 0
                and min(chunk_shape, default=1) >= 1
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SchemaError(
                f"the metadata of {path} are damaged ({error!r}); {remedy(path)}"
            ) from error
        if not is_known:
            raise SchemaError(f"{path} is not chunked as dxdask does it; {remedy(path)}")
        schema.check_numeric(path.name, dtype)
        is_packed = len(metadata["codecs"]) > 1
        return cls(shape=shape, dtype=dtype, chunk_shape=chunk_shape, is_packed=is_packed)

    def read(self, path: Path, rows: range, out: NDArray[Any]) -> None:
        """Fill `out` (len(rows), ...), C-contiguous, with rows one after the other.

        Raises
        ------
        SchemaError
            A chunk is damaged.
        """
        unpack = chunks.unpack if self.is_packed else chunks.copy
        for index in self.chunks_of(rows):
            try:
                data = layout.chunk_path(path, index).read_bytes()
                target = _place(out, self.chunk_shape, index, rows)
                if target is not None:
                    unpack(data, target)
                    continue
                chunk = np.empty(self.chunk_shape, self.dtype)
                unpack(data, chunk)
            except SchemaError as error:
                raise SchemaError(f"of its chunks, {index} {error}") from error
            _copy_rows(chunk, out, index, rows)


def _place(
    out: NDArray[Any], chunk_shape: tuple[int, ...], index: tuple[int, ...], rows: range
) -> NDArray[Any] | None:
    """Return the part of `out` that a chunk fills whole and alone, None where there is none."""
    if not index:
        return out
    start = index[0] * chunk_shape[0] - rows[0]
    part = out[max(0, start) : start + chunk_shape[0]]
    return part if start >= 0 and part.shape == chunk_shape else None


def _copy_rows(chunk: NDArray[Any], out: NDArray[Any], index: tuple[int, ...], rows: range) -> None:
    """Copy the region that a chunk and `out` have in common."""
    begins = [i * c for i, c in zip(index, chunk.shape, strict=True)]
    first, last = max(begins[0], rows[0]), min(begins[0] + chunk.shape[0], rows[-1] + 1)
    to = (slice(first - rows[0], last - rows[0]),) + tuple(
        slice(b, min(b + c, n))
        for b, c, n in zip(begins[1:], chunk.shape[1:], out.shape[1:], strict=True)
    )
    place = out[to]
    source = (slice(first - begins[0], last - begins[0]), *map(slice, place.shape[1:]))
    place[...] = chunk[source]


def _check_codecs(metadata: Mapping[str, Any], path: Path) -> None:
    """Refuse codecs beyond those that only move and unpack bytes, in the order dxdask writes them.

    Raises
    ------
    SchemaError
        There are others.
    """
    codecs = metadata.get("codecs", ())
    names = [str(c.get("name") if isinstance(c, dict) else c) for c in codecs]
    if names not in _CODECS:
        known = {n for known_codecs in _CODECS for n in known_codecs}
        unknown = ", ".join(n for n in names if n not in known) or " + ".join(names) or "nothing"
        raise SchemaError(
            f"{path} is encoded with {unknown}, which dxdask does not read; {remedy(path)}"
        )
