"""The frames of a run that a store holds, or refers to, read on demand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import SchemaError, StoreNotFoundError
from dxdask.storage.frames.absent import AbsentFrames
from dxdask.storage.frames.chunk_codec import ChunkCodec
from dxdask.storage.frames.flagged import FlaggedReader, flags_of_run
from dxdask.storage.frames.reader import LINK_CODEC, FillingReader
from dxdask.storage.store import layout, read, schema
from dxdask.storage.store.remedies import remedy


@dataclass(frozen=True, slots=True)
class StoredReader(FillingReader):
    """The frames of one run that are in the store, read on demand.

    Attributes
    ----------
    path, identifier : as `FillingReader`.
    codec : how they lie in their files.
    """

    path: str
    identifier: str
    codec: ChunkCodec

    @classmethod
    def open(cls, run: Path, identifier: str) -> StoredReader:
        """Return the reader of the run in the folder `run`.

        Raises
        ------
        SchemaError
            Its frames are missing or written by something else.
        """
        import zarr

        path = run / layout.FRAMES
        try:
            array = zarr.open_array(path, mode="r")
            schema.check_numeric(layout.FRAMES, array.dtype)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise SchemaError(
                f"the frames at {path} cannot be opened ({error}); {remedy(path)}"
            ) from error
        return cls(str(path), identifier, ChunkCodec.of_array(array, str(path)))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Images, slow, fast."""
        return self.codec.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the counts."""
        return np.dtype(self.codec.dtype)

    @property
    def step(self) -> int:
        """Images in one file."""
        return self.codec.per_file

    def require_files(self) -> None:
        """Do nothing: all frames are in the store."""

    def read_into(self, first: int, last: int, out: NDArray[Any]) -> None:
        """Fill `out` (last - first, slow, fast) with the images `first` to `last` (not included).

        Raises
        ------
        SchemaError
            A file is missing or damaged; the message has the images it holds.
        """
        p = self.codec
        spare = np.empty(p.chunk_shape, dtype=p.dtype) if p.chunk > 1 else None
        for number in range(first // p.per_file, (last - 1) // p.per_file + 1):
            start = number * p.per_file
            low = max(first - start, 0) // p.chunk
            high = -(-min(last - start, p.per_file) // p.chunk)
            file = layout.chunk_path(Path(self.path), (number, 0, 0))
            try:
                for k, data in enumerate(p.chunks_in_file(file, low, high), low):
                    self._place(data, start + k * p.chunk, first, last, out, spare)
            except (OSError, SchemaError) as error:
                reason = error.strerror if isinstance(error, OSError) else error
                raise SchemaError(
                    f"{_images(start + 1, min(start + p.per_file, p.shape[0]))} cannot be read: "
                    f"{file} {reason}; {remedy(file)}"
                ) from error

    def _place(
        self,
        data: Any,
        start: int,
        first: int,
        last: int,
        out: NDArray[Any],
        spare: NDArray[Any] | None,
    ) -> None:
        """Unpack the chunk whose first image is `start` into its part of `out`."""
        stop = start + self.codec.chunk
        if spare is None or (start >= first and stop <= last):
            self.codec.decode(data, out[start - first : stop - first])
            return
        self.codec.decode(data, spare)
        low, high = max(start, first), min(stop, last)
        out[low - first : high - first] = spare[low - start : high - start]


def _images(first: int, last: int) -> str:
    return f"image {first}" if first == last else f"images {first} to {last}"


def open_frames(run: Path, identifier: str) -> FillingReader:
    """Return the reader of the run in the folder `run`: frames in the store, linked, or absent.

    Counts that its detector has as invalid are replaced, see `FlaggedReader`.

    Raises
    ------
    SchemaError
        Its frames are missing, damaged or written by something else.
    """
    path = run / layout.FRAMES
    try:
        metadata = read.metadata(path)
    except StoreNotFoundError as error:
        absent = AbsentFrames.of(run, identifier, read.attributes(run))
        if absent is not None:
            return absent
        raise SchemaError(f"the frames at {path} are missing; {remedy(path)}") from error
    if is_linked(metadata):
        # It unpacks by kernels, which most uses of a store need not load.
        from dxdask.storage.frames.linked_reader import LinkedReader

        reader: FillingReader = LinkedReader.open(path, identifier)
    else:
        reader = StoredReader.open(run, identifier)
    flags = flags_of_run(run)
    return FlaggedReader(reader.path, identifier, reader, flags) if flags else reader


def is_linked(metadata: Mapping[str, Any]) -> bool:
    """Return True if the metadata of an array are those of linked frames; checks nothing else."""
    try:
        inner = metadata["codecs"][0]["configuration"]["codecs"]
        return any(codec["name"] == LINK_CODEC for codec in inner)
    except (KeyError, IndexError, TypeError):
        return False
