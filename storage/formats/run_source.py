"""A run in its raw files: models and columns read, frames left in the files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections
from dxdask.errors import FormatError, InputError
from dxdask.models import Experiment
from dxdask.storage.formats.chunk_manifest import ChunkManifest
from dxdask.storage.formats.missing import Missing
from dxdask.tables import Table


class RawReader(Protocol):
    """Reads frames from files; small, frozen and picklable, so that workers can hold it."""

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return frames first .. last - 1, (n, slow, fast)."""


@dataclass(frozen=True, kw_only=True)
class ImportedResult:
    """Reflections of one run that another program left, and the step that they stand for.

    Attributes
    ----------
    step : whose result they are.
    experiments : models after that step, one a crystal of the run.
    reflections : the column `experiment` counts `experiments` from 0.
    arrays : of the step beside its table, such as pixels of spots.
    messages, tables : what the import reports of them.
    """

    step: str
    experiments: tuple[Experiment, ...]
    reflections: Reflections
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunSource:
    """Images recorded in sequence, or stills that belong together.

    Attributes
    ----------
    name : of the run, unique in an ensemble.
    experiment : its models; no crystal.
    shape : (n images, slow, fast).
    dtype : of the pixels.
    mask : (slow, fast) bool, true where a pixel is on a panel and is not known to be bad.
    columns : one value an image: angle (degree), exposure (s), wavelength (A), timestamp (s since
        1970), transmission, event_id; those that are known.
    files : all files the run depends on: those of its frames first, then a mask the user gave.
    reader : of the frames.
    locate : returns the chunk manifest of the frames, or raises FormatError.
    manifest : the chunk manifest of a run whose frames are to be linked, else None.
    missing : values that the files lack, for which the models hold placeholders.
    problems : lines on what is doubtful or left out, one a fact; they go to the store's problems.
    has_frames : False for a run of which only results are there.
    results : of steps, in the order of processing.
    """

    name: str
    experiment: Experiment
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    mask: NDArray[np.bool_]
    files: tuple[Path, ...]
    reader: RawReader
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    locate: Callable[[], ChunkManifest]
    manifest: ChunkManifest | None = None
    missing: tuple[Missing, ...] = ()
    problems: tuple[str, ...] = ()
    has_frames: bool = True
    results: tuple[ImportedResult, ...] = ()

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return frames first .. last - 1 (counted from 0), (n, slow, fast), as recorded.

        Raises
        ------
        InputError
            No such frames.
        FormatError
            The file is truncated or damaged there.
        """
        if not 0 <= first <= last <= self.shape[0]:
            raise InputError(
                f"images {first} to {last - 1} are out of range: run {self.name} has images 0 to "
                f"{self.shape[0] - 1}"
            )
        return self.reader.read(first, last)


@dataclass(frozen=True, kw_only=True)
class NoFrames:
    """The reader of a run whose frames are in none of the files given."""

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Refuse.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError("the run was imported without frames; import its image files to read them")


def without_frames(
    name: str,
    experiment: Experiment,
    shape: tuple[int, int, int],
    files: tuple[Path, ...],
    results: tuple[ImportedResult, ...],
) -> RunSource:
    """Return a run of which only results are there; shape : of its frames (image, slow, fast)."""

    def locate() -> ChunkManifest:
        raise FormatError(f"run {name} has no frames to link")

    return RunSource(
        name=name,
        experiment=experiment,
        shape=shape,
        dtype=np.dtype(np.int32),
        mask=np.ones(shape[1:], dtype=np.bool_),
        files=files,
        reader=NoFrames(),
        locate=locate,
        has_frames=False,
        results=results,
    )


@dataclass(frozen=True, kw_only=True)
class ReaderFrom:
    """Another reader's frames from `start` on."""

    reader: RawReader
    start: int

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return frames first .. last - 1 of those from `start` on."""
        return self.reader.read(first + self.start, last + self.start)
