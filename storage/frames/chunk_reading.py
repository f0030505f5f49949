"""Frames read by a chunk manifest from the files they were recorded to.

HDF5 reads under one lock for all threads; here a chunk is one `pread` and one kernel, both without
the GIL.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.storage.codecs import decompress
from dxdask.storage.formats.chunk_manifest import WHOLE_FILE, ChunkManifest
from dxdask.storage.formats.registry import format_named
from dxdask.storage.frames.source_files import OpenFile


def read_frames(
    manifest: ChunkManifest, first: int, last: int, out: NDArray[Any], open_file: OpenFile
) -> None:
    """Fill out (last - first, slow, fast), contiguous, with the images first .. last - 1.

    Raises
    ------
    FormatError
        A chunk is truncated or damaged; the message has the file and the images.
    """
    n_images, slow, fast = manifest.chunk
    whole = manifest.chunk[1:] == manifest.shape[1:] and out.dtype == np.dtype(manifest.stored)
    for k in range(first // n_images, -(-last // n_images)):
        start = k * n_images
        low, high = max(start, first), min(start + n_images, last)
        for j, i in np.ndindex(*manifest.references.shape[1:]):
            reference = manifest.references[k, j, i]
            target = out[low - first : high - first, j * slow : (j + 1) * slow]
            target = target[:, :, i * fast : (i + 1) * fast]
            if reference["length"] == 0:
                target[...] = manifest.fill
            elif whole and high - low == n_images:
                read_chunk(manifest, reference, target, open_file, start)
            else:
                chunk = np.empty(manifest.chunk, dtype=manifest.stored)
                read_chunk(manifest, reference, chunk, open_file, start)
                rows, columns = target.shape[1:]
                target[...] = chunk[low - start : high - start, :rows, :columns]


def read_chunk(
    manifest: ChunkManifest,
    reference: Any,
    out: NDArray[Any],
    open_file: OpenFile,
    first_image: int | None,
) -> None:
    """Fill out (the shape of a chunk), contiguous, of the dtype as stored.

    first_image : of the chunk, counted from 0, for the message of an error.

    Raises
    ------
    FormatError
        As `read_frames`.
    """
    fd, path = open_file(int(reference["file"]))
    try:
        if manifest.compression == WHOLE_FILE:
            _read_whole(path, manifest.format, out)
        else:
            data = os.pread(fd, int(reference["length"]), int(reference["offset"]))
            decompress(manifest.compression, data, out)
    except (OSError, FormatError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        images = _images(manifest, first_image)
        raise FormatError(
            f"{path}: {images} cannot be read ({reason}); fetch the file again"
        ) from error


def _images(manifest: ChunkManifest, first: int | None) -> str:
    if first is None:
        return "a chunk of images"
    last = min(first + manifest.chunk[0], manifest.shape[0])
    return f"image {last}" if manifest.chunk[0] == 1 else f"images {first + 1} to {last}"


def _read_whole(path: str, name: str, out: NDArray[Any]) -> None:
    frame = format_named(name).read_frame(Path(path))
    if frame.shape != out.shape[1:]:
        raise FormatError(f"it has {frame.shape} pixels (slow, fast), the run {out.shape[1:]}")
    out[0] = frame
