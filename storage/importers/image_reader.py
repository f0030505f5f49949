"""Frames of a run of files with one image each: their reader and their chunk manifest."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.storage.formats import REFERENCE, WHOLE_FILE, ChunkManifest, Format
from dxdask.storage.importers.image_header import ImageHeader


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageReader:
    """Reads frames from files of one image each."""

    format: Format
    paths: tuple[str, ...]
    frame_shape: tuple[int, int]
    dtype: str

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return frames first .. last - 1, (n, slow, fast)."""
        out = np.empty((last - first, *self.frame_shape), dtype=self.dtype)
        for i, path in enumerate(self.paths[first:last]):
            frame = self.format.read_frame(Path(path))
            if frame.shape != self.frame_shape:
                raise FormatError(
                    f"{path} has {frame.shape} pixels (slow, fast), the images before it "
                    f"{self.frame_shape}; it does not belong to this run"
                )
            out[i] = frame
        return out


def image_manifest(
    paths: Sequence[Path], format_name: str, headers: Sequence[ImageHeader]
) -> ChunkManifest:
    """Return the chunk manifest of files of one image each.

    Files are referred to as a whole where one is compressed as a whole, has its pixels in several
    pieces, or in another encoding than the first.
    """
    first = headers[0]
    chunks = [h.chunk for h in headers if h.chunk is not None]
    encodings = {(c.compression, c.stored) for c in chunks}
    references = np.zeros((len(paths), 1, 1), dtype=REFERENCE)
    references["file"][:, 0, 0] = np.arange(len(paths), dtype=np.uint32)
    if len(chunks) == len(headers) and len(encodings) == 1:
        compression, stored = chunks[0].compression, chunks[0].stored
        most = 2 * first.shape[0] * first.shape[1] * np.dtype(stored).itemsize + 65536
        for i, (path, chunk) in enumerate(zip(paths, chunks, strict=True)):
            # A truncated file gets a reference too short to decode, which costs one image.
            offset = min(chunk.offset, max(os.path.getsize(path) - 1, 0))
            room = max(os.path.getsize(path) - offset, 1)
            references["offset"][i] = offset
            references["length"][i] = min(chunk.length, room, most)
    else:
        compression, stored = WHOLE_FILE, np.dtype(first.dtype).str
        references["length"][:, 0, 0] = [os.path.getsize(p) for p in paths]
    return ChunkManifest(
        files=tuple(str(p) for p in paths),
        format=format_name,
        compression=compression,
        stored=stored,
        shape=(len(paths), *first.shape),
        chunk=(1, *first.shape),
        references=references,
    )
