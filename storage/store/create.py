"""Groups and arrays of a store, written directly as zarr v3, and the hierarchy of a new store.

zarr-python spends several milliseconds on each array that it creates, through its event loop; the
partitions of a thousand runs are thirty thousand arrays. The files are the same.
"""

from __future__ import annotations

import json
import math
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.storage.store import chunks, layout, schema
from dxdask.storage.store.documents import encode


def group(path: Path, attributes: Mapping[str, Any]) -> None:
    """Create a group in the folder `path` with attributes, encoded for JSON."""
    path.mkdir(parents=True, exist_ok=True)
    _write_metadata(path, {"node_type": "group", "attributes": encode(attributes, path.name)})


def parents(root: Path, path: Path) -> None:
    """Create the groups between the root of a store and `path` that are not there yet."""
    missing = []
    folder = path.parent
    while folder != root and not (folder / layout.METADATA).is_file():
        missing.append(folder)
        folder = folder.parent
    for parent in reversed(missing):
        group(parent, {})


def update(path: Path, changes: Mapping[str, Any]) -> None:
    """Change attributes of a group or array."""
    metadata = json.loads((path / layout.METADATA).read_bytes())
    metadata["attributes"] = {**metadata.get("attributes", {}), **encode(changes, path.name)}
    _write_metadata(path, metadata)


def array(
    folder: Path,
    name: str,
    values: NDArray[Any],
    dims: tuple[str, ...],
    attributes: Mapping[str, Any],
    *,
    packed: bool = True,
) -> None:
    """Create an array in a group's folder, all its chunks compressed with checksums if `packed`."""
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    chunk_shape = schema.chunk_shape(little.shape, little.dtype.itemsize)
    path = folder / name
    path.mkdir()
    described = _array_metadata(little, chunk_shape, dims, encode(attributes, name), packed)
    _write_metadata(path, described)
    if not little.size:
        return
    grid = [math.ceil(n / c) for n, c in zip(little.shape, chunk_shape, strict=True)]
    for index in np.ndindex(*grid):
        file = layout.chunk_path(path, index)
        file.parent.mkdir(parents=True, exist_ok=True)
        data = _whole_chunk(little, chunk_shape, index)
        file.write_bytes(chunks.pack(data) if packed else data.tobytes())


def _whole_chunk(
    values: NDArray[Any], shape: tuple[int, ...], index: tuple[int, ...]
) -> NDArray[Any]:
    """Return one chunk of an array, contiguous and filled up with zeros at the edges."""
    part = values[tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, shape, strict=True))]
    if part.shape == shape:
        return np.ascontiguousarray(part).reshape(shape)
    whole = np.zeros(shape, values.dtype)
    whole[tuple(map(slice, part.shape))] = part
    return whole


def _array_metadata(
    values: NDArray[Any],
    chunk_shape: tuple[int, ...],
    dims: tuple[str, ...],
    attributes: Any,
    packed: bool,
) -> dict[str, Any]:
    size = values.dtype.itemsize
    order = {"configuration": {"endian": "little"}} if size > 1 else {}
    codecs: list[dict[str, Any]] = [{"name": "bytes", **order}]
    if packed:
        settings = {
            "typesize": size,
            "cname": chunks.CNAME,
            "clevel": chunks.LEVEL,
            "shuffle": "shuffle",
            "blocksize": 0,
        }
        codecs += [{"name": "blosc", "configuration": settings}, {"name": "crc32c"}]
    zero: Any = values.dtype.type(0).item()
    return {
        "shape": list(values.shape),
        "data_type": values.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk_shape)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": [zero.real, zero.imag] if isinstance(zero, complex) else zero,
        "codecs": codecs,
        "attributes": attributes,
        **({"dimension_names": list(dims)} if dims else {}),
        "node_type": "array",
        "storage_transformers": [],
    }


def _write_metadata(path: Path, content: Mapping[str, Any]) -> None:
    """Write the metadata of a group or array, whole or not at all."""
    aside = path / f"{layout.METADATA}.{uuid.uuid4().hex}{layout.PARTIAL}"
    try:
        aside.write_text(json.dumps({"zarr_format": 3, **content}, allow_nan=False))
        os.replace(aside, path / layout.METADATA)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
