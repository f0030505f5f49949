"""Datasets of frames in their order, those that were never written left out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.storage.importers.nxmx.fields import refuse_raw_storage, where
from dxdask.storage.importers.nxmx.frames import Part
from dxdask.storage.importers.nxmx.virtual import source_parts


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """Frames of a run.

    Attributes
    ----------
    parts : datasets with the frames that are there, in order.
    images : index (n,) of each frame in the acquisition, ascending.
    n_images : in the acquisition, as far as it is known: frames that are there and missing ones.
    files : that hold the frames.
    problems : a line for each dataset that is missing or was not finished.
    """

    parts: tuple[Part, ...]
    images: NDArray[np.int64]
    n_images: int
    files: tuple[Path, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Linked:
    """A dataset of frames by its name in the master file, or the reason why it is not there."""

    name: str
    dataset: h5py.Dataset | None
    reason: str = ""


def linked(group: h5py.Group, name: str) -> Linked:
    """Return a dataset of a group, or the reason why it cannot be opened."""
    shown = f"{group.file.filename}: {group.name}/{name}"
    try:
        link = group.get(name, getlink=True)
        target = f", a link to {link.filename}," if isinstance(link, h5py.ExternalLink) else ""
        found = group[name]
    except (KeyError, OSError, RuntimeError, ValueError):
        return Linked(name, None, f"{shown}{target} cannot be opened")
    if not isinstance(found, h5py.Dataset):
        return Linked(name, None, f"{shown} is not a dataset")
    return Linked(name, found)


def pieces_of(found: Sequence[Linked]) -> Pieces:
    """Return the frames of datasets that follow each other, without those that are missing.

    Raises
    ------
    FormatError
        None is there.
    """
    parts: list[Part] = []
    images: list[NDArray[np.int64]] = []
    files: dict[Path, None] = {}
    problems: list[str] = []
    start = 0
    length = next((_n_frames(f.dataset) for f in found if f.dataset is not None), 0)
    for item in found:
        if item.dataset is None:
            problems.append(item.reason)
            start += length
            continue
        for part, reason, n_frames in _parts(item.dataset):
            if part is not None and part.n_images:
                parts.append(part)
                images.append(np.arange(start, start + part.n_images, dtype=np.int64))
                files[Path(part.file)] = None
            if reason:
                problems.append(reason)
            start += n_frames
    if not parts:
        raise FormatError(f"{problems[0]}; put the data files beside the master file")
    every = np.concatenate(images)
    left_out = start - len(every)
    if problems:
        problems = [f"{p}; images that are there were imported" for p in problems]
    return Pieces(
        parts=tuple(parts),
        images=every,
        n_images=int(every[-1]) + 1 if left_out else start,
        files=tuple(files),
        problems=tuple(problems),
    )


def _n_frames(dataset: h5py.Dataset) -> int:
    return 1 if dataset.ndim == 2 else int(dataset.shape[0])


def _parts(dataset: h5py.Dataset) -> list[tuple[Part | None, str, int]]:
    """Return the parts of a dataset: frames, the reason why some are left out, their number."""
    refuse_raw_storage(dataset)
    n = _n_frames(dataset)
    if dataset.is_virtual:
        return _virtual_parts(dataset)
    whole = Part(file=dataset.file.filename, dataset=dataset.name, n_images=n)
    stored, size = dataset.id.get_storage_size(), os.path.getsize(dataset.file.filename)
    if stored == 0:
        return [(None, f"{where(dataset)} announces {n} frames, and none was written", n)]
    if stored > size:
        reason = f"{where(dataset)} needs {stored} bytes in a file of {size}: it is truncated"
        return [(None, reason, n)]
    written = _written(dataset)
    if written == n:
        return [(whole, "", n)]
    reason = f"{where(dataset)} announces {n} frames, and {written} were written"
    part = Part(file=whole.file, dataset=whole.dataset, n_images=written)
    return [(part, reason, n)]


def _written(dataset: h5py.Dataset) -> int:
    """Return the number of frames up to the last that was written; HDF5 would give zeros."""
    if dataset.chunks is None or dataset.ndim == 2:
        return _n_frames(dataset)
    n_chunks = int(
        np.prod([-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True)])
    )
    if dataset.id.get_num_chunks() >= n_chunks:
        return _n_frames(dataset)
    last = 0

    def note(info: h5py.h5d.StoreInfo) -> None:
        nonlocal last
        last = max(last, int(info.chunk_offset[0]))

    dataset.id.chunk_iter(note)
    return min(_n_frames(dataset), last + int(dataset.chunks[0]))


def _virtual_parts(dataset: h5py.Dataset) -> list[tuple[Part | None, str, int]]:
    n = _n_frames(dataset)
    sources = source_parts(dataset)
    missing = _missing_sources(dataset)
    there = [s for s in sources if s.there]
    if missing and not there:
        raise FormatError(
            f"{where(dataset)} refers to files that are missing: {', '.join(missing)}; "
            "put them beside it"
        )
    if not sources:
        whole = Part(file=dataset.file.filename, dataset=dataset.name, n_images=n)
        return [(whole, "", n)]
    out: list[tuple[Part | None, str, int]] = []
    for s in sources:
        part = Part(file=s.file, dataset=s.dataset, n_images=s.n_images, first=s.first)
        reason = "" if s.there else f"{where(dataset)} refers to {s.file}, which is missing"
        out.append((part if s.there else None, reason, s.n_images))
    return out


def _missing_sources(dataset: h5py.Dataset) -> list[str]:
    folder = Path(dataset.file.filename).parent
    names = {s.file_name for s in dataset.virtual_sources() if s.file_name != "."}
    return [str(folder / n) for n in sorted(names) if not (folder / n).exists()]
