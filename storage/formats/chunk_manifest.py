"""Chunk manifests: file, offset and length of each chunk of a run's frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError

REFERENCE = np.dtype([("file", "<u4"), ("offset", "<u8"), ("length", "<u8")])
WHOLE_FILE = "file"
"""The compression of an image file that its format decodes as a whole."""


@dataclass(frozen=True, eq=False, kw_only=True, slots=True)
class ChunkManifest:
    """References to the chunks of frames in the files they were recorded to.

    Attributes
    ----------
    files : paths.
    format : name of the registered format of the files.
    compression : of a chunk, one of `dxdask.storage.codecs.COMPRESSIONS` or `WHOLE_FILE`.
    stored : dtype of the chunks, with the byte order.
    shape : (images, slow, fast).
    chunk : (images, slow, fast) of one chunk; chunks at the ends are stored whole, too.
    references : (chunks of images, of slow, of fast) of `REFERENCE`; length 0 marks a chunk that
        was never written.
    fill : the value of pixels never written.
    """

    files: tuple[str, ...]
    format: str
    compression: str
    stored: str
    shape: tuple[int, int, int]
    chunk: tuple[int, int, int]
    references: NDArray[np.void]
    fill: float = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the frames, in the machine's byte order."""
        return np.dtype(self.stored).newbyteorder("=")

    @property
    def chunk_bytes(self) -> int:
        """Bytes of one decoded chunk."""
        return math.prod(self.chunk) * np.dtype(self.stored).itemsize

    def with_references(self, references: NDArray[np.void]) -> ChunkManifest:
        """Return the manifest with other references."""
        return replace(self, references=references)

    def part(self, first: int, last: int) -> ChunkManifest:
        """Return the manifest of the images first .. last - 1.

        Raises
        ------
        FormatError
            The first is not the first of a chunk.
        """
        if first % self.chunk[0]:
            raise FormatError(
                f"{self.files[0]}: image {first + 1} is not the first of a chunk of {self.chunk[0]}"
            )
        chosen = self.references[first // self.chunk[0] : -(-last // self.chunk[0])]
        return replace(self, shape=(last - first, *self.shape[1:]), references=chosen)


def joined(parts: Sequence[ChunkManifest]) -> ChunkManifest:
    """Return the manifest of frames that follow one another.

    Raises
    ------
    FormatError
        They differ in chunks, compression or type, or a chunk holds images of two of them.
    """
    first = parts[0]
    files = {path: None for part in parts for path in part.files}
    numbers = {path: i for i, path in enumerate(files)}
    references = []
    for i, part in enumerate(parts):
        same = ("format", "compression", "stored", "chunk", "fill")
        different = [name for name in same if getattr(part, name) != getattr(first, name)]
        if different:
            raise FormatError(f"{first.files[0]} and {part.files[0]} differ in {different[0]}")
        if i < len(parts) - 1 and part.shape[0] % part.chunk[0]:
            raise FormatError(
                f"{part.files[0]} holds {part.shape[0]} images in chunks of {part.chunk[0]}: "
                "a chunk ends within the run"
            )
        new = part.references.copy()
        new["file"] = np.array([numbers[p] for p in part.files], dtype=np.uint32)[new["file"]]
        references.append(new)
    n_images = sum(part.shape[0] for part in parts)
    return replace(
        first,
        files=tuple(files),
        shape=(n_images, *first.shape[1:]),
        references=np.concatenate(references),
    )


def grid_of(shape: tuple[int, ...], chunk: tuple[int, ...]) -> tuple[int, ...]:
    """Return the number of chunks along each axis."""
    return tuple(math.ceil(n / c) for n, c in zip(shape, chunk, strict=True))
