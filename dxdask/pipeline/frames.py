"""The frames of runs: in a store, or in raw files and on their way to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from dxdask.calibration import Calibration, CalibrationParameters
from dxdask.errors import StoreExistsError
from dxdask.frame_block import FrameBlock, invalid_pixel_value
from dxdask.graphs.blocks import Block, map_frames
from dxdask.graphs.calibrate import calibrate, correct_block, corrected_dtype
from dxdask.graphs.fold import tree_fold
from dxdask.storage.frames.flagged import Flag, flags_of, mark_invalid
from dxdask.storage.frames.lazy import lazy_frames, read_tolerant
from dxdask.storage.frames.reader import FrameReader
from dxdask.storage.frames.stored import open_frames
from dxdask.storage.store import read
from dxdask.storage.store.layout import run_path
from dxdask.storage.store.provenance import file_fingerprint, fingerprint
from dxdask.storage.store.run_writer import RunWriter
from dxdask.storage.store.runs import RunFields
from dxdask.storage.store.store import Store

# A step that reads frames of a store needs none of what reads raw files.
if TYPE_CHECKING:
    import dask.array as da

    from dxdask.pipeline.import_parameters import ImportStepParameters
    from dxdask.storage.formats import RawReader, RunSource

IMPORT_VERSION = "3"

Problems: TypeAlias = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class RunFrames:
    """The frames of a run, of which an array is made for the steps that read them.

    Attributes
    ----------
    calibration, parameters : how frames are corrected, None where they are as recorded.
    """

    reader: FrameReader
    calibration: Calibration | None = None
    parameters: CalibrationParameters = field(default_factory=CalibrationParameters)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Images, slow, fast."""
        return self.reader.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the counts, corrected where they are."""
        return self.reader.dtype if self.calibration is None else corrected_dtype(self.parameters)

    def array(self) -> da.Array:
        """Return the frames as a dask array (image, slow, fast); its blocks are `FrameBlock`."""
        frames = lazy_frames(self.reader, unreadable="mark")
        if self.calibration is None:
            return frames
        return calibrate(frames, self.calibration, self.parameters)

    def of_images(self, first: int, stop: int) -> RunFrames:
        """Return the frames of some images, `first` to `stop` (not included), counted from 0."""
        return replace(self, reader=ReaderOfImages(self.reader, first, stop))

    def of_sample(self, images: Sequence[int]) -> RunFrames:
        """Return the frames of these images, from 0 in ascending order; none is written."""
        reader = self.reader
        if isinstance(reader, ImportingReader):
            reader = replace(reader, writes=False)
        return replace(self, reader=ReaderOfSample(reader, tuple(images)))

    def read(self, first: int, last: int) -> FrameBlock:
        """Return the images `first` to `last` (not included), zeros where one cannot be read."""
        frames = read_tolerant(self.reader, first, last)
        if self.calibration is None:
            return frames
        return correct_block(frames, self.calibration, self.parameters)


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


def fingerprints(
    sources: Sequence[RunSource],
    parameters: ImportStepParameters,
    geometry: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, str]:
    """Return the fingerprint of each run's import: of its files and of how they are read.

    geometry : of each run, where it is that of another store.
    """
    given = parameters.of_reading()
    path = parameters.input.reference_geometry
    # a geometry other than the run's does not describe its frames
    given["input"].pop("reference_branch")  # what was read from there is in `geometry`
    other = {**given, "input": {**given["input"], "reference_geometry": None}}
    return {
        s.name: fingerprint(
            "import",
            {
                **(given if path in s.files else other),
                **({"geometry_of_store": geometry[s.name]} if s.name in geometry else {}),
            },
            [file_fingerprint(f) for f in s.files],
            IMPORT_VERSION,
        )
        for s in sources
    }


def prepare(
    store: Store,
    sources: Sequence[RunSource],
    prints: Mapping[str, str],
    parameters: ImportStepParameters,
) -> dict[str, ImportingReader]:
    """Make the runs in the store; return a reader for each that is not complete yet.

    Runs that are linked are complete at once.

    prints: fingerprint of each run's import.

    Raises
    ------
    StoreExistsError
        The store holds other runs, or these made from other files or with other parameters.
    """
    readers = {}
    others = [run for run in store.runs if run not in prints or not store.has_run(run, prints[run])]
    if others:
        raise StoreExistsError(
            f"{store.path} holds runs made from other files or with other parameters "
            f"({', '.join(others)}); give overwrite=true to replace it, or another name"
        )
    for source in sources:
        if store.has_run(source.name, prints[source.name]):
            continue
        problems = [
            {"run": source.name, "image": None, "step": "import", "reason": reason}
            for reason in source.problems
        ]
        files = {
            "files": [str(f) for f in source.files] if source.has_frames else [],
            "results": [] if source.has_frames else [str(f) for f in source.files],
        }
        contents: RunFields = {
            "mask": source.mask,
            "columns": source.columns,
            "fingerprint": prints[source.name],
            "source": files,
            "problems": problems,
        }
        if not source.has_frames:
            store.describe_run(
                source.name,
                source.experiment,
                shape=source.shape,
                **contents,
            )
            continue
        if source.manifest is not None:
            store.link_run(
                source.name,
                source.experiment,
                source.manifest,
                **contents,
            )
            continue
        writer = store.create_run(
            source.name,
            source.experiment,
            n_images=source.shape[0],
            shape=source.shape[1:],
            dtype=source.dtype,
            chunk=min(parameters.images_per_chunk, source.shape[0]),
            **contents,
        )
        readers[source.name] = ImportingReader(
            run=source.name,
            shape=source.shape,
            dtype=source.dtype,
            first_image=source.experiment.first_image,
            files=source.reader,
            writer=writer,
            flags=flags_of(source.experiment.detector),
        )
    return readers


def stored(store: Store, run: str) -> RunFrames:
    """Return a run's frames in the store, also of a run that this graph will have completed.

    Linked files are not looked at: most steps read no frames, and do without the archive.
    """
    path = run_path(store.path, run)
    return RunFrames(reader=open_frames(path, str(read.attributes(path)["id"])))


def import_tasks(readers: Mapping[str, ImportingReader]) -> list[Delayed]:
    """Return one lazy task a run that imports it and marks it complete."""
    tasks = []
    for name, reader in readers.items():
        frames = RunFrames(reader=reader).array()
        shared = [delayed(v, name=None, traverse=False) for v in (name, reader.first_image)]
        parts = map_frames(_problems_of_block, frames, shared, label=f"import-{name}")
        problems = tree_fold(parts, _join, label=f"import-{name}", records=True)
        tasks.append(delayed(finish, pure=True)(reader.writer, problems))
    return tasks


def finish(writer: RunWriter, problems: Problems = (), _after: Any = None) -> str:
    """Mark a run complete, once what `_after` stands for is done."""
    writer.finish(problems)
    return writer.path


def _problems_of_block(block: Block, run: str, first_image: int) -> Problems:
    """Return the frames of a block, written as they were read, that could not be read."""
    return tuple(
        {"run": run, "image": first_image + block.first + i, "step": "import", "reason": reason}
        for i, reason in sorted(block.unreadable.items())
    )


def _join(parts: list[Problems]) -> Problems:
    return tuple(problem for part in parts for problem in part)
