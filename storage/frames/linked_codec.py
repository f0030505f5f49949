"""The zarr codec ``dxdask_link``: each chunk of the array is a reference to a chunk in a raw file.

zarr and xarray open linked frames through it wherever dxdask is installed (entry point
``zarr.codecs``). A codec has no access to the folder of its array, so it finds files only at their
absolute paths at the import; dxdask's own reader also looks beside the store, and is faster.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from zarr.abc.codec import ArrayBytesCodec
from zarr.registry import register_codec

from dxdask.errors import SchemaError, StoreWriteError
from dxdask.storage.formats.chunk_manifest import REFERENCE, ChunkManifest
from dxdask.storage.frames.chunk_reading import read_chunk
from dxdask.storage.frames.linked import Link
from dxdask.storage.frames.linked_reader import linked_files
from dxdask.storage.frames.linked_references import check_reference
from dxdask.storage.frames.reader import LINK_CODEC

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer


@dataclass(frozen=True)
class LinkCodec(ArrayBytesCodec):
    """Decodes a reference of 20 bytes to the chunk in the raw file; encodes nothing."""

    link: Link
    is_fixed_size = True

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the codec of an array's metadata.

        Raises
        ------
        SchemaError
            The metadata are damaged.
        """
        configuration = data.get("configuration")
        if data.get("name") != LINK_CODEC or not isinstance(configuration, dict):
            raise SchemaError(f"the codec {data.get('name')!r} has no list of files; import again")
        return cls(Link.from_dict(configuration))

    def to_dict(self) -> dict[str, Any]:
        """Return the codec as metadata."""
        return {"name": LINK_CODEC, "configuration": self.link.to_dict()}

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        """Return the size of a reference in bytes."""
        return REFERENCE.itemsize

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        values = await asyncio.to_thread(self._read, chunk_data.to_bytes(), chunk_spec.shape)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(values)

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        raise StoreWriteError(
            "linked frames are read only; import with link=false to copy them to the store"
        )

    def _read(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        out = np.empty(shape, dtype=self.link.stored)
        if len(data) != REFERENCE.itemsize or out.ndim != 3:
            raise SchemaError(f"a reference to a chunk has {len(data)} bytes; import again")
        reference = np.frombuffer(data, dtype=REFERENCE)[0]
        check_reference(np.asarray(reference), self.link, out.nbytes)
        manifest = ChunkManifest(
            files=(),
            format=self.link.format,
            compression=self.link.compression,
            stored=self.link.stored,
            shape=(shape[0], shape[1], shape[2]),
            chunk=(shape[0], shape[1], shape[2]),
            references=np.zeros(0, dtype=REFERENCE),
        )
        with linked_files(self.link, None) as open_file:
            read_chunk(manifest, reference, out, open_file, None)
        return out.astype(out.dtype.newbyteorder("="), copy=False)


register_codec(LINK_CODEC, LinkCodec)
