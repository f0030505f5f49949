"""The zarr array of linked frames, created and opened after checks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from dxdask.errors import SchemaError
from dxdask.storage.formats.chunk_manifest import ChunkManifest, grid_of
from dxdask.storage.frames.linked import MAX_CHUNK_BYTES, Link
from dxdask.storage.frames.linked_references import decode_references, encode_references
from dxdask.storage.frames.reader import LINK_CODEC
from dxdask.storage.store import layout, read

_MOST_KEPT = 64  # runs whose references a process keeps
_INNER = [LINK_CODEC, "crc32c"]


@dataclass(frozen=True, eq=False, slots=True)
class LinkedArray:
    """Contents of the array ``runs/RUN/frames`` of linked frames.

    Attributes
    ----------
    link : to the files.
    manifest : of the frames in them; its `files` are names without folders.
    """

    link: Link
    manifest: ChunkManifest


def _names(codecs: Any) -> list[str]:
    found = codecs if isinstance(codecs, list) else []
    return [str(c.get("name") if isinstance(c, dict) else c) for c in found]


def write_linked(parent: Any, manifest: ChunkManifest, link: Link, root: Path) -> None:
    """Create the array of linked frames in a group, with its one shard; `root` is its folder.

    Raises
    ------
    LinkedFileError, OSError
        A file is not there, or the shard cannot be written.
    """
    from zarr.codecs import Crc32cCodec

    from dxdask.storage.frames.linked_codec import LinkCodec

    grid = grid_of(manifest.shape, manifest.chunk)
    data = encode_references(manifest.references)
    decode_references(data, grid, link, manifest.chunk_bytes)
    parent.create_array(
        layout.FRAMES,
        shape=manifest.shape,
        dtype=manifest.dtype,
        chunks=manifest.chunk,
        shards=tuple(n * c for n, c in zip(grid, manifest.chunk, strict=True)),
        serializer=LinkCodec(link),
        compressors=[Crc32cCodec()],
        fill_value=manifest.fill,
        dimension_names=("image", "slow", "fast"),
        attributes={"units": "counts", "doc": "counts as recorded, in the files they came in"},
    )
    shard = layout.chunk_path(root, (0, 0, 0))
    shard.parent.mkdir(parents=True, exist_ok=True)
    shard.write_bytes(data)


@lru_cache(maxsize=_MOST_KEPT)
def open_linked(path: str, _identifier: str) -> LinkedArray:
    """Return the array in the folder `path`; read once for each process and import.

    Raises
    ------
    SchemaError
        It is damaged, or its references point outside of the files.
    """
    try:
        return _open(Path(path))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        raise SchemaError(
            f"the frames at {path} cannot be opened ({_reason(error)}); import again"
        ) from None


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, SchemaError) else f"{type(error).__name__}: {error}"


def _open(path: Path) -> LinkedArray:
    metadata = read.metadata(path)
    (shard,) = metadata["codecs"]
    inside = shard["configuration"]
    whole = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    shape, chunk = _three(metadata["shape"]), _three(inside["chunk_shape"])
    grid = grid_of(shape, chunk)
    if (
        _names(inside["codecs"]) != _INNER
        or _names(inside["index_codecs"]) != ["bytes", "crc32c"]
        or inside.get("index_location", "end") != "end"
        or _three(whole) != tuple(n * c for n, c in zip(grid, chunk, strict=True))
    ):
        raise SchemaError("its chunks or codecs are not those of linked frames")
    link = Link.from_dict(inside["codecs"][0]["configuration"])
    if np.dtype(str(metadata["data_type"])) != np.dtype(link.stored).newbyteorder("="):
        raise SchemaError(f"it is {metadata['data_type']}, and its files hold {link.stored}")
    file = layout.chunk_path(path, (0, 0, 0))
    size = file.stat().st_size
    if not file.is_file() or size > 64 * math.prod(grid) + 4:
        raise SchemaError(f"{file} is not a file of {math.prod(grid)} references")
    manifest = ChunkManifest(
        files=tuple(f.name for f in link.files),
        format=link.format,
        compression=link.compression,
        stored=link.stored,
        shape=shape,
        chunk=chunk,
        references=np.zeros(0, dtype=np.void),
        fill=metadata["fill_value"],
    )
    n_bytes = manifest.chunk_bytes
    slow, fast = shape[1:]
    if max(n_bytes, slow * fast * np.dtype(link.stored).itemsize) > MAX_CHUNK_BYTES:
        raise SchemaError(
            f"{slow} x {fast} pixels in chunks of {chunk} are not those of a detector"
        )
    references = decode_references(file.read_bytes(), grid, link, n_bytes)
    return LinkedArray(link, manifest.with_references(references))


def _three(values: Any) -> tuple[int, int, int]:
    a, b, c = values
    if not all(isinstance(v, int) and v > 0 for v in (a, b, c)):
        raise SchemaError(f"it has the shape or chunks {values}")
    return a, b, c
