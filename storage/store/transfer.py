"""Runs of one store placed in another: their files are shared by hard links where that can be."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from dxdask.errors import StoreWriteError
from dxdask.models import Experiment
from dxdask.storage.frames.absent import AbsentFrames
from dxdask.storage.frames.linked_reader import LinkedReader
from dxdask.storage.frames.reader import FillingReader
from dxdask.storage.frames.stored import StoredReader, is_linked
from dxdask.storage.store import layout, read
from dxdask.storage.store.provenance import fingerprint
from dxdask.storage.store.runs import RunFields
from dxdask.storage.store.store import Store

_BLOCK_BYTES = 1 << 27


def place_run(
    target: Store,
    source: Store,
    run: str,
    experiment: Experiment,
    *,
    images: tuple[int, int] | None = None,
) -> None:
    """Place a run of a store, or a stretch of it, in another store, whose lock the caller holds.

    Frames that the source links to files are linked to these again. Files of frames in the source
    are shared by hard links (copied on another disk); where a stretch begins within a file, its
    frames are written anew. Masks applied since the import become the mask of the new run.

    experiment : the models of the run there, with its name. images : the first and the one behind
    the last, counted from 0; None: all.

    Raises
    ------
    StoreExistsError
        The target has such a run.
    LinkedFileError, StoreWriteError
        Frames cannot be read, or written.
    """
    reader = _as_recorded(source, run)
    first, last = images or (0, reader.shape[0])
    attributes = source.run_attributes(run)
    contents: RunFields = {
        "mask": source.mask(run),
        "columns": {n: v[first:last] for n, v in source.image_columns(run).items()},
        "fingerprint": str(attributes["fingerprint"])
        if images is None
        else fingerprint("images", {"images": [first, last]}, [attributes["fingerprint"]], "1"),
        "source": {k: v for k, v in attributes["source"].items() if k != "linked_to"},
        "problems": [{**p, "run": experiment.run} for p in attributes.get("problems", ())],
    }
    size = reader.shape[1:]
    if isinstance(reader, AbsentFrames):
        target.describe_run(experiment.run, experiment, shape=(last - first, *size), **contents)
    elif isinstance(reader, LinkedReader) and first % reader.found.manifest.chunk[0] == 0:
        link = reader.found.link
        paths = tuple(os.path.join(link.folders[f.folder][0], f.name) for f in link.files)
        manifest = replace(reader.found.manifest, files=paths).part(first, last)
        target.link_run(experiment.run, experiment, manifest, **contents)
    else:
        chunk, per_file = 1, 1
        if isinstance(reader, StoredReader):
            chunk, per_file = reader.codec.chunk, reader.codec.per_file
        writer = target.create_run(
            experiment.run, experiment, n_images=last - first, shape=size, dtype=reader.dtype,
            chunk=chunk, shard=per_file, **contents,
        )  # fmt: skip
        if isinstance(reader, StoredReader) and first % per_file == 0:
            _share_files(Path(reader.path), Path(writer.path), first, last, per_file)
        else:
            n = max(1, _BLOCK_BYTES // (int(np.prod(size)) * reader.dtype.itemsize * per_file))
            for begin in range(0, last - first, n * per_file):
                end = min(begin + n * per_file, last - first)
                writer.write(begin, reader.read(first + begin, first + end))
        writer.finish()
    _copy_calibration(source, run, target, experiment.run)


def _as_recorded(store: Store, run: str) -> FillingReader:
    """Return the reader of a run's frames, with the counts that its files have."""
    reader = store.frame_reader(run)
    if isinstance(reader, AbsentFrames):
        return reader
    folder, identifier = layout.run_path(store.path, run), str(store.run_attributes(run)["id"])
    frames = folder / layout.FRAMES
    if is_linked(read.metadata(frames)):
        return LinkedReader.open(frames, identifier)
    return StoredReader.open(folder, identifier)


def _share_files(source: Path, target: Path, first: int, last: int, per_file: int) -> None:
    """Link the files of frames first .. last - 1 of the array `source` into the run `target`."""
    begin = first // per_file
    for number in range(begin, -(-last // per_file)):
        old = layout.chunk_path(source, (number, 0, 0))
        new = layout.chunk_path(target / layout.FRAMES, (number - begin, 0, 0))
        done = layout.chunk_path(target / layout.DONE, (number - begin,))
        try:
            for path in (new, done):
                path.parent.mkdir(parents=True, exist_ok=True)
            if old.is_file():
                share_file(old, new)
            done.write_bytes(b"\x01")
        except OSError as error:
            raise StoreWriteError(f"cannot write {new}: {error}; check its disk") from error


def share_file(old: Path, new: Path) -> None:
    """Make a hard link to a file, or a copy where the disk does not allow one."""
    try:
        os.link(old, new)
    except OSError:
        shutil.copy2(old, new)


def _copy_calibration(source: Store, run: str, target: Store, name: str) -> None:
    raw = layout.run_path(source.path, run) / layout.RAW
    if raw.is_dir():
        shutil.copytree(raw, layout.run_path(target.path, name) / layout.RAW)
