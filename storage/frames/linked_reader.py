"""Reader of linked frames: each block is read from the raw files on demand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.storage.frames.chunk_reading import read_frames
from dxdask.storage.frames.linked import Link
from dxdask.storage.frames.linked_array import LinkedArray, open_linked
from dxdask.storage.frames.reader import FillingReader
from dxdask.storage.frames.source_files import OpenFile


@dataclass(frozen=True, slots=True)
class LinkedReader(FillingReader):
    """Reads the linked frames of one run; each process reads the chunk manifest once.

    Attributes
    ----------
    path, identifier : as `FillingReader`.
    """

    path: str
    identifier: str

    @classmethod
    def open(cls, path: Path, identifier: str) -> LinkedReader:
        """Return the reader of the array in the folder `path`; the linked files are not opened.

        Raises
        ------
        SchemaError
            The array is damaged.
        """
        open_linked(str(path), identifier)
        return cls(str(path), identifier)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (images, slow, fast)."""
        return self.found.manifest.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the counts."""
        return self.found.manifest.dtype

    @property
    def step(self) -> int:
        """Number of images in one chunk."""
        return self.found.manifest.chunk[0]

    @property
    def found(self) -> LinkedArray:
        """The linked array."""
        return open_linked(self.path, self.identifier)

    def describe(self) -> str:
        """Return a description of the linked files."""
        return self.found.link.describe()

    def read_into(self, first: int, last: int, out: NDArray[Any]) -> None:
        """Fill `out` (last - first, slow, fast) with the images `first` to `last` (not included).

        Raises
        ------
        LinkedFileError
            A file has moved, shrunk or changed.
        FormatError
            An image is damaged.
        """
        found = self.found
        with linked_files(found.link, Path(self.path)) as open_file:
            read_frames(found.manifest, first, last, out, open_file)

    def require_files(self) -> None:
        """Check that all linked files are unchanged since the import.

        Raises
        ------
        LinkedFileError
            A file has moved, shrunk or changed.
        """
        link = self.found.link
        for number in range(len(link.files)):
            os.close(link.open(number, Path(self.path))[0])


@contextmanager
def linked_files(link: Link, array: Path | None) -> Iterator[OpenFile]:
    """Yield a function that opens files of a link as they are needed; close them at the end."""
    opened: dict[int, tuple[int, str]] = {}

    def open_file(number: int) -> tuple[int, str]:
        if number not in opened:
            opened[number] = link.open(number, array)
        return opened[number]

    try:
        yield open_file
    finally:
        for fd, _ in opened.values():
            os.close(fd)
