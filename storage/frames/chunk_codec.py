"""Chunks and shards of copied frames, encoded and decoded without zarr's codec pipeline.

The files are those of zarr v3: ``bytes`` (little endian), ``blosc`` (bitshuffle + lz4) and
``crc32c`` in sequence, and for shards the ``sharding_indexed`` layout with its index at the end
(zarr v3 core specification, sharding codec 1.0). Any zarr v3 reader reads them.

CPU of writing / reading by one thread, ms a frame (``python benchmarks/chunk_codecs.py``)::

    frames                          this module     zarr 3.1.6      zarrs 0.2.3
    1060 x 1024 uint16, insulin     1.06 / 0.58     6.94 / 1.56     1.20 / 0.75
      the same, 10 in a shard       1.02 / 0.58     6.50 / 1.19     1.24 / 0.70
    2527 x 2463 int32, drawn        10.2 / 5.4      15.0 / 7.2      11.1 / 6.9
      the same, 10 in a shard        9.6 / 5.2      14.4 / 9.4      22.7 / 6.7
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numcodecs import blosc  # type: ignore[attr-defined]
from numpy.typing import NDArray

from dxdask.errors import ChunkError, SchemaError
from dxdask.storage.frames.checksum import CHECKSUM_BYTES, with_checksum, without_checksum

CNAME: Final = "lz4"
LEVEL = 5
_BLOSC_HEADER = 16
_MOST = 2**31 - 64  # bytes in one blosc chunk


@dataclass(frozen=True, slots=True)
class ChunkCodec:
    """Layout and encoding of the frames of a run in files.

    Attributes
    ----------
    shape : (images, slow, fast).
    dtype : of the counts, numpy's name.
    chunk : images in one compressed chunk.
    per_file : images in one file; a multiple of `chunk`, more than one chunk makes it a shard.
    """

    shape: tuple[int, int, int]
    dtype: str
    chunk: int
    per_file: int

    def __post_init__(self) -> None:
        if min(self.shape) < 1:
            raise ChunkError(f"frames of shape {self.shape} hold nothing: give at least one image")
        if self.chunk < 1 or self.per_file < 1 or self.per_file % self.chunk:
            raise ChunkError(
                f"{self.per_file} images a file are not a multiple of {self.chunk} images a chunk; "
                "give whole chunks to a shard"
            )
        if self.chunk_bytes > _MOST:
            raise ChunkError(
                f"a chunk of {self.chunk} images is {self.chunk_bytes} bytes, more than {_MOST}; "
                "give fewer images to a chunk"
            )

    @property
    def chunk_bytes(self) -> int:
        """Bytes of one decoded chunk."""
        return math.prod(self.chunk_shape) * np.dtype(self.dtype).itemsize

    @property
    def chunk_shape(self) -> tuple[int, int, int]:
        """Shape of one chunk; the last one of a run is padded with zeros."""
        return (self.chunk, *self.shape[1:])

    @property
    def is_sharded(self) -> bool:
        """True if a file holds several chunks."""
        return self.per_file > self.chunk

    @property
    def n_files(self) -> int:
        """Number of files."""
        return math.ceil(self.shape[0] / self.per_file)

    def zarr_arguments(self) -> dict[str, Any]:
        """Return the arguments of `zarr.create_array` for an array of these files."""
        from zarr.codecs import BloscCodec, Crc32cCodec

        size = np.dtype(self.dtype).itemsize
        inner = [
            BloscCodec(typesize=size, cname=CNAME, clevel=LEVEL, shuffle="bitshuffle", blocksize=0),
            Crc32cCodec(),
        ]
        shards = (self.per_file, *self.shape[1:]) if self.is_sharded else None
        return {
            "shape": self.shape,
            "dtype": np.dtype(self.dtype),
            "chunks": self.chunk_shape,
            "shards": shards,
            "compressors": inner,
            "fill_value": 0,
        }

    @classmethod
    def of_array(cls, array: Any, where: str) -> ChunkCodec:
        """Return the codec of an opened zarr array created with `zarr_arguments`.

        Raises
        ------
        SchemaError
            Its chunks or codecs are others.
        """
        from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, ShardingCodec

        codecs = array.metadata.codecs
        shard = codecs[0] if isinstance(codecs[0], ShardingCodec) else None
        inner = shard.codecs if shard else codecs
        kinds = [type(c) for c in inner]
        whole = len(array.shape) == 3 and tuple(array.chunks[1:]) == tuple(array.shape[1:])
        first: Any = inner[0]
        little = (
            isinstance(first, BytesCodec) and getattr(first.endian, "value", "little") == "little"
        )
        if kinds != [BytesCodec, BloscCodec, Crc32cCodec] or not whole or not little:
            raise SchemaError(
                f"{where} has other chunks or codecs than dxdask writes; import the run again"
            )
        if shard is not None and shard.index_location.value != "end":
            raise SchemaError(f"{where} has its shard index in front; import the run again")
        per_file = (array.shards or array.chunks)[0]
        return cls(tuple(array.shape), array.dtype.name, array.chunks[0], per_file)

    def encode(self, images: NDArray[Any]) -> bytes:
        """Return the contents of one file: images (at most `per_file`, slow, fast)."""
        starts = range(0, len(images), self.chunk)
        chunks = [self._encode_chunk(images[i : i + self.chunk]) for i in starts]
        if not self.is_sharded:
            return chunks[0]
        index = np.full((self.per_file // self.chunk, 2), 2**64 - 1, dtype="<u8")
        lengths = np.array([len(c) for c in chunks], dtype=np.uint64)
        index[: len(chunks), 0] = np.cumsum(lengths) - lengths
        index[: len(chunks), 1] = lengths
        return b"".join([*chunks, with_checksum(index.tobytes())])

    def _encode_chunk(self, images: NDArray[Any]) -> bytes:
        little = np.dtype(self.dtype).newbyteorder("<")
        if len(images) < self.chunk:
            full = np.zeros(self.chunk_shape, dtype=little)
            full[: len(images)] = images
        else:
            full = np.ascontiguousarray(images, dtype=little)
        return with_checksum(blosc.compress(full, CNAME.encode(), LEVEL, blosc.BITSHUFFLE, 0))

    def decode(self, data: bytes, out: NDArray[Any]) -> None:
        """Fill `out` (chunk, slow, fast), contiguous, with the images of one chunk.

        Raises
        ------
        SchemaError
            The data are damaged; nothing is allocated for them.
        """
        body = without_checksum(data)
        n_bytes, n_encoded = (-1, -1)
        if len(body) >= _BLOSC_HEADER:
            n_bytes, n_encoded = struct.unpack_from("<I4xI", body, 4)
        if n_encoded != len(body):
            # Blosc trusts its header and would read behind the end.
            raise SchemaError(f"has {len(body)} bytes where {n_encoded} are announced")
        if n_bytes != self.chunk_bytes or out.nbytes != n_bytes:
            raise SchemaError(f"holds {n_bytes} bytes instead of {self.chunk_bytes}")
        try:
            blosc.decompress(body, out)
        except (RuntimeError, ValueError) as error:
            raise SchemaError(f"does not decompress ({error})") from error

    def chunks_in_file(self, file: Path, first: int, last: int) -> Iterator[bytes]:
        """Yield the encoded chunks number `first` to `last` (not included) of one file."""
        with open(file, "rb") as opened:
            if not self.is_sharded:
                yield opened.read()
                return
            n_chunks = self.per_file // self.chunk
            n_index = 16 * n_chunks + CHECKSUM_BYTES
            size = os.fstat(opened.fileno()).st_size
            opened.seek(max(0, size - n_index))
            index = np.frombuffer(without_checksum(opened.read()), dtype="<u8").reshape(-1, 2)
            if len(index) != n_chunks:
                raise SchemaError(f"has an index of {len(index)} instead of {n_chunks} chunks")
            for start, length in index[first:last].tolist():
                if start + length > size:
                    raise SchemaError("has an index that points behind its end")
                opened.seek(start)
                yield opened.read(length)
