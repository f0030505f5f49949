"""Making the hierarchy of a store: groups and arrays, empty or filled, as plain zarr v3."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec

from dxdask.errors import SchemaError, StoreExistsError, StoreNotFoundError, StoreWriteError
from dxdask.storage.store import layout, read, schema
from dxdask.storage.store.documents import encode
from dxdask.storage.store.lock import TEXT_BYTES, WriteLock
from dxdask.storage.store.provenance import now, versions


def create_store(path: Path, *, overwrite: bool = False) -> None:
    """Create an empty store in the folder `path`.

    With `overwrite` an earlier store, or an empty folder, is replaced; anything else is left alone.

    Raises
    ------
    StoreExistsError
        Something is there already.
    StoreWriteError
        The folder cannot be made.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        _require_replaceable(path, overwrite)
    try:
        if (path / layout.METADATA).exists():
            with WriteLock(path).held():
                shutil.rmtree(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        root = group(
            path,
            {
                "format": layout.FORMAT,
                "version": layout.VERSION,
                "created": now(),
                "software": versions(),
            },
        )
        for name in (layout.RUNS, layout.ANALYSIS, layout.HISTORY, layout.WORK):
            root.create_group(name)
        for name in (layout.STAGING, layout.REPLACED):
            root.create_group(name)
        lock = np.full(TEXT_BYTES, ord(" "), dtype=np.uint8)
        array(root, layout.LOCK, lock, ("byte",), {"doc": "who is writing"}, packed=False)
    except OSError as error:
        raise StoreWriteError(
            f"cannot create {path}: {error}; check the folder and its disk"
        ) from error


def _require_replaceable(path: Path, overwrite: bool) -> None:
    try:
        known = read.attributes(path).get("format") == layout.FORMAT
    except (StoreNotFoundError, SchemaError):
        known = False
    if not overwrite:
        kind = "a store" if known else "something else"
        remedy = (
            "give overwrite=true to replace it, or another name" if known else "give another name"
        )
        raise StoreExistsError(f"{path} exists already and is {kind}; {remedy}")
    if not known:
        raise StoreExistsError(
            f"{path} is no dxdask store, so overwrite=true does not delete it; give another name"
        )


def group(path: Path, attributes: Mapping[str, Any]) -> zarr.Group:
    """Create a group in the folder `path` with attributes, encoded for JSON."""
    return zarr.create_group(path, attributes=encode(attributes, path.name), zarr_format=3)


def array(
    parent: zarr.Group,
    name: str,
    values: NDArray[Any],
    dims: tuple[str, ...],
    attributes: Mapping[str, Any],
    *,
    packed: bool = True,
) -> None:
    """Create an array and write all its chunks, compressed and with checksums if `packed`."""
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    made = parent.create_array(
        name,
        shape=little.shape,
        dtype=little.dtype,
        chunks=schema.chunk_shape(little.shape, little.dtype.itemsize),
        compressors=_compressors(little.dtype.itemsize) if packed else None,
        dimension_names=dims,
        attributes=encode(attributes, name),
        config={"write_empty_chunks": True},
    )
    if little.size:
        made[...] = little


def _compressors(itemsize: int) -> list[BloscCodec | Crc32cCodec]:
    blosc = BloscCodec(typesize=itemsize, cname="zstd", clevel=1, shuffle="shuffle")
    return [blosc, Crc32cCodec()]
