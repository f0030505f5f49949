"""Readers of the frames of a run: of some images, of a sample, and from raw files to the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dxdask.frame_block import invalid_pixel_value
from dxdask.storage.frames.flagged import Flag, mark_invalid
from dxdask.storage.frames.reader import FrameReader
from dxdask.storage.store.run_writer import RunWriter

# A step that reads frames of a store needs none of what reads raw files.
if TYPE_CHECKING:
    from dxdask.storage.formats import RawReader


@dataclass(frozen=True, slots=True)
class ReaderOfImages:
    """Consecutive images of another reader, `first` to `stop` (not included)."""

    reader: FrameReader
    first: int
    stop: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Images, slow, fast."""
        return (self.stop - self.first, *self.reader.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the counts."""
        return self.reader.dtype

    @property
    def step(self) -> int:
        """Images that are best read together."""
        return self.reader.step

    def require_files(self) -> None:
        """Check that files outside of the store, which hold the frames, are as they were."""
        self.reader.require_files()

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return "dxdask-images", self.reader, self.first, self.stop

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return images `first` to `last` (not included), (n, slow, fast)."""
        return self.reader.read(self.first + first, self.first + last)


@dataclass(frozen=True, slots=True)
class ReaderOfSample:
    """Some images of another reader, numbered anew."""

    reader: FrameReader
    images: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Images, slow, fast."""
        return (len(self.images), *self.reader.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the counts."""
        return self.reader.dtype

    @property
    def step(self) -> int:
        """One: the images lie apart."""
        return 1

    def require_files(self) -> None:
        """Check that files outside of the store, which hold the frames, are as they were."""
        self.reader.require_files()

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return "dxdask-sample", self.reader, self.images

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return images `first` to `last` (not included) of the sample, (n, slow, fast)."""
        return np.concatenate([self.reader.read(i, i + 1) for i in self.images[first:last]])


@dataclass(frozen=True, slots=True)
class ImportingReader:
    """Frames of a run read from its raw files and, on the way, written to the store.

    A frame that cannot be read is stored as `invalid_pixel_value`, so that the others can be used,
    and is still an error here. writes : whether frames are written.
    """

    run: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    first_image: int
    files: RawReader
    writer: RunWriter
    flags: tuple[Flag, ...] = ()
    writes: bool = True

    @property
    def step(self) -> int:
        """Images in one file of the store."""
        return self.writer.step

    def require_files(self) -> None:
        """Do nothing: files were opened just now, to see what is in them."""

    def __dask_tokenize__(self) -> tuple[str, ...]:
        return ("dxdask-import", self.writer.path, self.run, "writes" if self.writes else "reads")

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return images `first` to `last` (not included), (n, slow, fast), written to the store
        where it `writes`.

        Invalid counts (`flags`) are written as recorded, and returned as a store returns them.
        """
        if not self.writes:
            return mark_invalid(self.files.read(first, last), self.flags)
        pending = self.writer.pending_within(first, last)
        try:
            block = self.files.read(first, last)
        except MemoryError:
            raise
        except Exception:
            if last - first > 1 or pending:
                self._write(first, self._read_one_by_one(first, last), pending)
            raise
        self._write(first, block, pending)
        return mark_invalid(block, self.flags)

    def _write(self, first: int, block: NDArray[Any], pending: Sequence[tuple[int, int]]) -> None:
        for start, stop in pending:
            self.writer.write(start, block[start - first : stop - first])

    def _read_one_by_one(self, first: int, last: int) -> NDArray[Any]:
        size = (last - first, *self.shape[1:])
        block = np.full(size, invalid_pixel_value(self.dtype), dtype=self.dtype)
        for i in range(first, last):
            try:
                block[i - first] = self.files.read(i, i + 1)[0]
            except MemoryError:
                raise
            except Exception:
                continue
        return block
