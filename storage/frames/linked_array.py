"""The zarr array of linked frames: making it, and opening it after checks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from dxdask.errors import SchemaError
from dxdask.storage.frames.linked import Link, pack_references, unpack_references
from dxdask.storage.frames.places import MAX_CHUNK_BYTES, FramePlaces, grid_of
from dxdask.storage.frames.reader import LINK_CODEC
from dxdask.storage.store import layout, read

_TABLES = 64  # runs whose references a process remembers
_INNER = [LINK_CODEC, "crc32c"]


@dataclass(frozen=True, eq=False, slots=True)
class LinkedArray:
    """What the array ``runs/RUN/frames`` of linked frames says.

    Attributes
    ----------
    link : to the files. places : of the frames in them; its `files` are as at the import.
    """

    link: Link
    places: FramePlaces


def _names(codecs: Any) -> list[str]:
    found = codecs if isinstance(codecs, list) else []
    return [str(c.get("name") if isinstance(c, dict) else c) for c in found]


def write_linked(parent: Any, places: FramePlaces, link: Link, root: Path) -> None:
    """Make the array of linked frames in a group and its one shard; `root` is the array's folder.

    Raises
    ------
    LinkedFileError, OSError
        A file is not there, or the shard cannot be written.
    """
    from zarr.codecs import Crc32cCodec

    from dxdask.storage.frames.linked_codec import LinkCodec

    grid = grid_of(places.shape, places.chunk)
    data = pack_references(places.references)
    unpack_references(data, grid, link, _chunk_bytes(places))
    parent.create_array(
        layout.FRAMES,
        shape=places.shape,
        dtype=places.dtype,
        chunks=places.chunk,
        shards=tuple(n * c for n, c in zip(grid, places.chunk, strict=True)),
        serializer=LinkCodec(link),
        compressors=[Crc32cCodec()],
        fill_value=places.fill,
        dimension_names=("image", "slow", "fast"),
        attributes={"units": "counts", "doc": "counts as recorded, in the files they came in"},
    )
    shard = layout.chunk_path(root, (0, 0, 0))
    shard.parent.mkdir(parents=True, exist_ok=True)
    shard.write_bytes(data)


@lru_cache(maxsize=_TABLES)
def open_linked(path: str, _identifier: str) -> LinkedArray:
    """Return what the array in the folder `path` says; once for each process and import.

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
        raise SchemaError("it is not chunked as dxdask does it")
    link = Link.from_dict(inside["codecs"][0]["configuration"])
    if np.dtype(str(metadata["data_type"])) != np.dtype(link.stored).newbyteorder("="):
        raise SchemaError(f"it is {metadata['data_type']}, and its files hold {link.stored}")
    file = layout.chunk_path(path, (0, 0, 0))
    size = file.stat().st_size
    if not file.is_file() or size > 64 * math.prod(grid) + 4:
        raise SchemaError(f"{file} is no file of {math.prod(grid)} references")
    places = FramePlaces(
        files=tuple(f.name for f in link.files),
        kind=link.kind,
        packing=link.packing,
        stored=link.stored,
        shape=shape,
        chunk=chunk,
        references=np.zeros(0, dtype=np.void),
        fill=metadata["fill_value"],
    )
    n_bytes = _chunk_bytes(places)
    slow, fast = shape[1:]
    if max(n_bytes, slow * fast * np.dtype(link.stored).itemsize) > MAX_CHUNK_BYTES:
        raise SchemaError(
            f"{slow} x {fast} pixels in chunks of {chunk} are not those of a detector"
        )
    references = unpack_references(file.read_bytes(), grid, link, n_bytes)
    return LinkedArray(link, places.with_references(references))


def _chunk_bytes(places: FramePlaces) -> int:
    return math.prod(places.chunk) * np.dtype(places.stored).itemsize


def _three(values: Any) -> tuple[int, int, int]:
    a, b, c = values
    if not all(isinstance(v, int) and v > 0 for v in (a, b, c)):
        raise SchemaError(f"it has the shape or chunks {values}")
    return a, b, c
