"""The frames of runs: in a store, or in raw files and on their way to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from dask.delayed import Delayed, delayed

from dxdask.calibration import Calibration, CalibrationParameters
from dxdask.errors import StoreExistsError
from dxdask.frame_block import FrameBlock
from dxdask.graphs.blocks import Block, map_frames
from dxdask.graphs.calibrate import calibrate, correct_block, corrected_dtype
from dxdask.graphs.fold import tree_fold
from dxdask.pipeline.frame_readers import ImportingReader, ReaderOfImages, ReaderOfSample
from dxdask.storage.frames.flagged import flags_of
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
    from dxdask.storage.formats import RunSource

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
        if not store.has_run(source.name, prints[source.name]):
            reader = _create(store, source, prints[source.name], parameters)
            if reader is not None:
                readers[source.name] = reader
    return readers


def _create(
    store: Store, source: RunSource, imported: str, parameters: ImportStepParameters
) -> ImportingReader | None:
    """Make a run in the store; return its reader, None where it is complete at once.

    imported : fingerprint of its import.
    """
    contents = _contents(source, imported)
    if not source.has_frames:
        store.describe_run(source.name, source.experiment, shape=source.shape, **contents)
        return None
    if source.manifest is not None:
        store.link_run(source.name, source.experiment, source.manifest, **contents)
        return None
    writer = store.create_run(
        source.name,
        source.experiment,
        n_images=source.shape[0],
        shape=source.shape[1:],
        dtype=source.dtype,
        chunk=min(parameters.images_per_chunk, source.shape[0]),
        **contents,
    )
    return ImportingReader(
        run=source.name,
        shape=source.shape,
        dtype=source.dtype,
        first_image=source.experiment.first_image,
        files=source.reader,
        writer=writer,
        flags=flags_of(source.experiment.detector),
    )


def _contents(source: RunSource, imported: str) -> RunFields:
    """Return what a store has of a run beside its frames."""
    files = [str(f) for f in source.files]
    return {
        "mask": source.mask,
        "columns": source.columns,
        "fingerprint": imported,
        "source": {
            "files": files if source.has_frames else [],
            "results": [] if source.has_frames else files,
        },
        "problems": [
            {"run": source.name, "image": None, "step": "import", "reason": reason}
            for reason in source.problems
        ],
    }


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
