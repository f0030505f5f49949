"""References of a linked array, in the layout of a zarr shard, checked against the linked files."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import SchemaError
from dxdask.storage.formats.chunk_manifest import REFERENCE, WHOLE_FILE
from dxdask.storage.frames.checksum import CHECKSUM_BYTES, with_checksum, without_checksum
from dxdask.storage.frames.linked import MAX_CHUNK_BYTES, Link

_STORED = REFERENCE.itemsize + CHECKSUM_BYTES


def encode_references(references: NDArray[np.void]) -> bytes:
    """Return the shard of references (chunks of images, of slow, of fast), with its index.

    Chunks that were never written (length 0) are left out, as in any shard.
    """
    flat = references.ravel()
    there = np.flatnonzero(flat["length"])
    index = np.full((flat.size, 2), 2**64 - 1, dtype="<u8")
    index[there, 0] = np.arange(len(there), dtype=np.uint64) * np.uint64(_STORED)
    index[there, 1] = _STORED
    chunks = [with_checksum(flat[i].tobytes()) for i in there]
    return b"".join([*chunks, with_checksum(index.tobytes())])


def decode_references(
    data: bytes, grid: tuple[int, ...], link: Link, chunk_bytes: int
) -> NDArray[np.void]:
    """Return the references (grid) of a shard, each checked against the files of the link.

    Raises
    ------
    SchemaError
        The shard is damaged, or a reference points outside of the files.
    """
    n = math.prod(grid)
    n_index = 16 * n + CHECKSUM_BYTES
    if not n_index <= len(data) <= n_index + _STORED * n:
        raise SchemaError(f"has {len(data)} bytes, which are not those of {n} references")
    index = np.frombuffer(without_checksum(data[-n_index:]), dtype="<u8").reshape(-1, 2)
    out = np.zeros(n, dtype=REFERENCE)
    there = np.flatnonzero((index != 2**64 - 1).any(axis=1))
    if bool(((index[there, 0] > len(data)) | (index[there, 1] != _STORED)).any()):
        raise SchemaError("has a damaged index")
    for i, start in zip(there.tolist(), index[there, 0].tolist(), strict=True):
        out[i] = np.frombuffer(without_checksum(data[start : start + _STORED]), dtype=REFERENCE)[0]
    _check_references(out[there], link, chunk_bytes)
    return out.reshape(grid)


def check_reference(reference: NDArray[np.void], link: Link, chunk_bytes: int) -> None:
    """Check one reference, see `decode_references`."""
    _check_references(reference.reshape(1), link, chunk_bytes)


def _check_references(found: NDArray[np.void], link: Link, chunk_bytes: int) -> None:
    if not len(found):
        return
    if int(found["file"].max()) >= len(link.files):
        raise SchemaError(f"refers to file {found['file'].max()} of {len(link.files)}")
    sizes = np.array([f.size for f in link.files], dtype=np.uint64)[found["file"]]
    offsets, lengths = found["offset"], found["length"]
    if bool(((offsets > sizes) | (lengths > sizes - np.minimum(offsets, sizes))).any()):
        raise SchemaError("refers to bytes behind the end of a file")
    # No compression makes counts much longer.
    most = MAX_CHUNK_BYTES if link.compression == WHOLE_FILE else 2 * chunk_bytes + 65536
    if int(lengths.max()) > most:
        raise SchemaError(f"refers to {lengths.max()} bytes for a chunk of {chunk_bytes}")
