"""Chunk manifests of datasets of frames in HDF5 files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.storage.formats.chunk_manifest import REFERENCE, ChunkManifest, grid_of

_DEFLATE, _SHUFFLE, _LZ4, _BITSHUFFLE = 1, 2, 32004, 32008
_COMPRESSIONS = {
    (): "none",
    (_DEFLATE,): "deflate",
    (_SHUFFLE, _DEFLATE): "shuffle+deflate",
    (_LZ4,): "lz4",
}
_BITSHUFFLED = {0: "bitshuffle", 2: "bitshuffle+lz4", 3: "bitshuffle+zstd"}
_MOST_KEPT = 64  # datasets whose manifests a process keeps


def frame_manifest(dataset: h5py.Dataset, format_name: str) -> ChunkManifest:
    """Return the chunk manifest of a dataset of frames.

    They are (n, slow, fast), (n, module, slow, fast), or one frame (slow, fast).

    format_name : of the file.

    Raises
    ------
    FormatError
        They can be read through HDF5 only: the dataset is virtual, its chunks cut modules unevenly,
        or its filters are not known; the message has the reason.
    """
    where = f"{dataset.file.filename}: {dataset.name}"
    if dataset.is_virtual:
        raise FormatError(
            f"{where} is virtual, and its frames are not whole frames of other datasets"
        )
    if dataset.file.userblock_size:
        raise FormatError(f"{where} is in a file with a user block")
    shape = _flat(dataset.shape, dataset.shape[-2])
    if dataset.chunks is None:
        compression, chunk = "none", (1, *shape[1:])
        references = _contiguous(dataset, where)
    else:
        compression, chunk = _compression(dataset, where), _flat_chunk(dataset, where)
        references = _chunked(dataset, shape, chunk, where)
    return ChunkManifest(
        files=(dataset.file.filename,),
        format=format_name,
        compression=compression,
        stored=dataset.dtype.str,
        shape=shape,
        chunk=chunk,
        references=references,
        fill=np.asarray(dataset.fillvalue).item(),
    )


def _flat(shape: Sequence[int], rows: int) -> tuple[int, int, int]:
    """Return the shape with modules of `rows` rows stacked along slow."""
    n_modules = shape[1] if len(shape) == 4 else 1
    return 1 if len(shape) == 2 else int(shape[0]), int(n_modules * rows), int(shape[-1])


def _flat_chunk(dataset: h5py.Dataset, where: str) -> tuple[int, int, int]:
    slow, rows = dataset.shape[-2], dataset.chunks[-2]
    if dataset.ndim == 4 and slow % rows and not rows == slow:
        raise FormatError(
            f"{where} has chunks of {rows} rows, which cut modules of {slow} unevenly"
        )
    if dataset.ndim == 4 and dataset.chunks[1] > 1 and rows != slow:
        raise FormatError(f"{where} has chunks {dataset.chunks} of parts of several modules")
    return _flat(dataset.chunks, rows)


def _compression(dataset: h5py.Dataset, where: str) -> str:
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(i) for i in range(plist.get_nfilters())]
    codes = tuple(f[0] for f in filters)
    if codes in _COMPRESSIONS:
        return _COMPRESSIONS[codes]
    if codes == (_BITSHUFFLE,):
        # version (2), bytes of an element, elements in a block, compression, its level
        itemsize, block, how = (*map(int, filters[0][2]), 0, 0, 0)[2:5]
        if itemsize == dataset.dtype.itemsize and how in _BITSHUFFLED and (how or block == 0):
            return _BITSHUFFLED[how]
    names = " and ".join(f"{bytes(f[3]).decode('latin-1')[:40]!r} ({f[0]})" for f in filters)
    raise FormatError(f"{where} has the filters {names}, which dxdask reads through HDF5 only")


def _contiguous(dataset: h5py.Dataset, where: str) -> NDArray[np.void]:
    start = dataset.id.get_offset()
    if start is None:
        raise FormatError(f"{where} is stored in the header of its dataset")
    n_images = 1 if dataset.ndim == 2 else dataset.shape[0]
    n_bytes = dataset.nbytes // n_images
    references = np.zeros((n_images, 1, 1), dtype=REFERENCE)
    references["offset"][:, 0, 0] = start + n_bytes * np.arange(n_images, dtype=np.uint64)
    references["length"] = n_bytes
    return references


def _chunked(
    dataset: h5py.Dataset, shape: tuple[int, ...], chunk: tuple[int, ...], where: str
) -> NDArray[np.void]:
    found: list[tuple[int, ...]] = []
    skipped: list[int] = []

    def note(info: Any) -> None:
        found.append((*info.chunk_offset, info.byte_offset, info.size))
        if info.filter_mask:
            skipped.append(info.filter_mask)

    dataset.id.chunk_iter(note)
    if skipped:
        raise FormatError(f"{where} has chunks with other filters than the rest")
    references = np.zeros(grid_of(shape, chunk), dtype=REFERENCE)
    if found:
        table = np.array(found, dtype=np.uint64)
        first = table[:, :-2].astype(np.int64)
        if dataset.ndim == 2:
            first = np.insert(first, 0, 0, axis=1)
        rows = first[:, -2] + (first[:, 1] * dataset.shape[-2] if dataset.ndim == 4 else 0)
        at = (first[:, 0] // chunk[0], rows // chunk[1], first[:, -1] // chunk[2])
        references["offset"][at] = table[:, -2]
        references["length"][at] = table[:, -1]
    size = os.path.getsize(dataset.file.filename)
    offsets, lengths = references["offset"], references["length"]
    if bool(np.any((offsets > size) | (lengths > size - np.minimum(offsets, size)))):
        raise FormatError(f"{where} has chunks behind the end of the file: it is truncated")
    return references


@lru_cache(maxsize=_MOST_KEPT)
def _kept(path: str, name: str, format_name: str, _size: int, _time: int) -> ChunkManifest | None:
    with h5py.File(path, "r", locking=False) as file:
        try:
            return frame_manifest(file[name], format_name)
        except FormatError:
            return None


def manifest_of(path: str, name: str, format_name: str) -> ChunkManifest | None:
    """Return `frame_manifest` of a dataset, None where HDF5 has to read it; once for each process.

    Raises
    ------
    OSError, KeyError
        The file or the dataset cannot be opened.
    """
    status = os.stat(path)
    return _kept(path, name, format_name, status.st_size, status.st_mtime_ns)
