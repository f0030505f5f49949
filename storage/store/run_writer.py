"""Writing the frames of a run file by file, from any worker in any order."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import ChunkError, SchemaError, StoreWriteError
from dxdask.storage.frames.chunk_codec import ChunkCodec
from dxdask.storage.store import create, layout, read


@dataclass(frozen=True, slots=True)
class RunWriter:
    """Writes the frames of one run; small and picklable, so that workers write what they read.

    The writer takes no lock: the process that made it holds that of runs as long as it writes.
    """

    path: str
    codec: ChunkCodec

    @property
    def step(self) -> int:
        """Images to write at a time, or a multiple of it."""
        return self.codec.per_file

    @property
    def pending(self) -> tuple[tuple[int, int], ...]:
        """First image and the one behind the last of each file that is not written yet."""
        return self.pending_within(0, self.codec.shape[0])

    def pending_within(self, first: int, last: int) -> tuple[tuple[int, int], ...]:
        """Return the `pending` files whose images all lie in `first` to `last` (not included)."""
        if read.attributes(Path(self.path)).get("complete") is True:
            return ()
        done = Path(self.path) / layout.DONE
        codec = self.codec
        whole = last // codec.per_file if last < codec.shape[0] else codec.n_files
        return tuple(
            (k * codec.per_file, min((k + 1) * codec.per_file, codec.shape[0]))
            for k in range(-(-first // codec.per_file), whole)
            if not layout.chunk_path(done, (k,)).is_file()
        )

    def write(self, first_image: int, block: NDArray[Any]) -> None:
        """Write images from `first_image` (counted from 0): whole files only, each by one task.

        Raises
        ------
        ChunkError
            The block begins or ends within a file.
        SchemaError
            Its dtype or size is not the run's.
        StoreWriteError
            The disk is full or refuses.
        """
        codec = self.codec
        last = first_image + len(block)
        if block.shape[1:] != codec.shape[1:] or block.dtype != np.dtype(codec.dtype):
            raise SchemaError(
                f"frames are {block.dtype} {block.shape[1:]}, the run {Path(self.path).name} "
                f"holds {codec.dtype} {codec.shape[1:]}; import them as another run"
            )
        whole = first_image % codec.per_file == 0 and (
            last % codec.per_file == 0 or last == codec.shape[0]
        )
        if not whole or not 0 <= first_image < last <= codec.shape[0]:
            raise ChunkError(
                f"images {first_image} to {last} are not whole files of {codec.per_file} images "
                f"of a run of {codec.shape[0]}; write multiples of {codec.per_file}"
            )
        root = Path(self.path)
        try:
            for start in range(0, len(block), codec.per_file):
                number = (first_image + start) // codec.per_file
                data = codec.encode(block[start : start + codec.per_file])
                _write_file(layout.chunk_path(root / layout.FRAMES, (number, 0, 0)), data)
                _write_file(layout.chunk_path(root / layout.DONE, (number,)), b"\x01")
        except OSError as error:
            raise StoreWriteError(
                f"cannot write images {first_image + 1} to {last} of {root}: {error}; "
                "free some space and import again: it resumes there"
            ) from error

    def finish(self, problems: Sequence[Mapping[str, Any]] = ()) -> None:
        """Mark the run as complete; a second time does nothing.

        problems: frames that could not be read: run, image, step, reason.

        Raises
        ------
        ChunkError
            Some images have not been written.
        """
        if read.attributes(Path(self.path)).get("complete") is True:
            return
        missing = self.pending
        if missing:
            first, last = missing[0]
            raise ChunkError(
                f"run {Path(self.path).name} lacks {len(missing)} of {self.codec.n_files} files, "
                f"the first with images {first + 1} to {last}; write them, then finish"
            )
        _remove_partial(Path(self.path))
        complete(Path(self.path), problems)
        shutil.rmtree(Path(self.path) / layout.DONE, ignore_errors=True)


def complete(path: Path, problems: Sequence[Mapping[str, Any]]) -> None:
    """Mark a run as complete; problems: rows (run, image, step, reason) beside those it has."""
    known = read.attributes(path).get("problems", ())
    create.update(path, {"problems": [*known, *map(dict, problems)], "complete": True})


def _write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        aside.write_bytes(data)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _remove_partial(path: Path) -> None:
    """Remove what writers that were killed left beside the files they did not finish."""
    for aside in path.rglob("*.partial"):
        aside.unlink(missing_ok=True)
