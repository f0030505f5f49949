"""From raw files to the store's frames, block by block, in whichever task needs them first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from dxdask.errors import StoreExistsError
from dxdask.graphs.blocked import BlockedFrames, FrameReader, Frames
from dxdask.graphs.fold import tree_fold
from dxdask.graphs.frames import FrameBlock, frame_blocks
from dxdask.storage.frames.slices import FrameSlices
from dxdask.storage.frames.stored import BLOCK_BYTES, open_frames
from dxdask.storage.store import read
from dxdask.storage.store.layout import run_path
from dxdask.storage.store.provenance import file_fingerprint, fingerprint
from dxdask.storage.store.runs import RunWriter
from dxdask.storage.store.store import Store

# A step that reads frames of a store needs none of what reads raw files.
if TYPE_CHECKING:
    from dxdask.pipeline.import_parameters import ImportStepParameters
    from dxdask.storage.formats import FrameReader as RawReader
    from dxdask.storage.formats import RunSource

IMPORT_VERSION = "1"

Problems: TypeAlias = Sequence[Mapping[str, Any]]


def untrusted(dtype: np.dtype[Any]) -> float:
    """Return the value of pixels that could not be read: the largest integer, or NaN."""
    return np.iinfo(dtype).max if dtype.kind in "iu" else np.nan


@dataclass(frozen=True, slots=True)
class ImportingReader:
    """Frames of a run read from its raw files and, on the way, written to the store.

    A frame that cannot be read is stored as `untrusted`, so that the others can be used; whoever
    reads it through here is still told. It travels with every block, so it holds no mask and no
    columns.
    """

    run: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    first_image: int
    files: RawReader
    writer: RunWriter

    def __dask_tokenize__(self) -> tuple[str, ...]:
        return ("dxdask-import", self.writer.path, self.run)

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return images `first` to `last` (not included), (n, slow, fast), written to the store."""
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
        return block

    def _write(self, first: int, block: NDArray[Any], pending: Sequence[tuple[int, int]]) -> None:
        for start, stop in pending:
            self.writer.write(start, block[start - first : stop - first])

    def _read_one_by_one(self, first: int, last: int) -> NDArray[Any]:
        size = (last - first, *self.shape[1:])
        block = np.full(size, untrusted(self.dtype), dtype=self.dtype)
        for i in range(first, last):
            try:
                block[i - first] = self.files.read(i, i + 1)[0]
            except MemoryError:
                raise
            except Exception:
                continue
        return block


def fingerprints(sources: Sequence[RunSource], parameters: ImportStepParameters) -> dict[str, str]:
    """Return the fingerprint of each run's import: of its files and of how they are read."""
    given = parameters.of_reading()
    path = parameters.input.reference_geometry
    # a geometry that a run was not read with says nothing of how it was
    other = {**given, "input": {**given["input"], "reference_geometry": None}}
    return {
        s.name: fingerprint(
            "import",
            given if path in s.files else other,
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
        files = {"files": [str(f) for f in source.files]}
        if source.manifest is not None:
            store.link_run(
                source.name,
                source.experiment,
                source.manifest,
                mask=source.mask,
                columns=source.columns,
                fingerprint=prints[source.name],
                source=files,
            )
            continue
        writer = store.create_run(
            source.name,
            source.experiment,
            n_images=source.shape[0],
            shape=source.shape[1:],
            dtype=source.dtype,
            mask=source.mask,
            columns=source.columns,
            chunk=min(parameters.images_per_chunk, source.shape[0]),
            fingerprint=prints[source.name],
            source=files,
        )
        readers[source.name] = ImportingReader(
            run=source.name,
            shape=source.shape,
            dtype=source.dtype,
            first_image=source.experiment.first_image,
            files=source.reader,
            writer=writer,
        )
    return readers


def lazy_frames(reader: ImportingReader) -> BlockedFrames:
    """Return the lazy frames of a run that is being imported, whole files a block."""
    return _blocked(reader, reader.writer.step)


def stored(store: Store, run: str) -> BlockedFrames:
    """Return a run's lazy frames in the store, also of a run that this graph will have completed.

    Linked files are not looked at: most steps read no frames, and do without the archive.
    """
    path = run_path(store.path, run)
    reader = open_frames(path, str(read.attributes(path)["id"]))
    return _blocked(reader, reader.step)


def require_files(frames: Iterable[Frames]) -> None:
    """Check, before they are read, that the files which frames in a store refer to are there.

    Raises
    ------
    LinkedFileError
        One has moved, shrunk or changed since the import.
    """
    readers = [getattr(f, "reader", None) for f in frames]
    readers = [getattr(r, "reader", r) for r in readers]  # of what is calibrated
    for reader in {r.path: r for r in readers if isinstance(r, FrameSlices)}.values():
        reader.require_files()


def _blocked(reader: FrameReader, step: int) -> BlockedFrames:
    n, slow, fast = reader.shape
    block = step * max(1, BLOCK_BYTES // (slow * fast * reader.dtype.itemsize * step))
    return BlockedFrames(reader, min(block, n))


def import_tasks(readers: Mapping[str, ImportingReader]) -> list[Delayed]:
    """Return one lazy task a run that imports it and marks it complete."""
    tasks = []
    for name, reader in readers.items():
        read = delayed(_read, pure=True)
        first = reader.first_image
        blocks = frame_blocks(lazy_frames(reader), grouped=True)
        parts = [read(block, name, first) for block, _ in blocks]
        problems = tree_fold(parts, _join, label=f"import-{name}")
        tasks.append(delayed(finish, pure=True)(reader.writer, problems))
    return tasks


def finish(writer: RunWriter, problems: Problems = (), _after: Any = None) -> str:
    """Mark a run complete, once what `_after` stands for is done."""
    writer.finish(problems)
    return writer.path


def _read(block: FrameBlock, run: str, first_image: int) -> Problems:
    """Read a block piece by piece, which writes it; return the frames that could not be read."""
    return tuple(
        {"run": run, "image": first_image + piece.first + i, "step": "import", "reason": reason}
        for piece in block.pieces()
        for i, reason in sorted(piece.read_all_it_can()[1].items())
    )


def _join(parts: list[Problems]) -> Problems:
    return tuple(problem for part in parts for problem in part)
