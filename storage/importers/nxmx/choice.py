"""The groups of an NXmx file that belong to its frames, where there are several of a class.

The dataset that has the size of a detector holds the frames; the detector that has their size
recorded them. What is equally likely is an error that lists it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import h5py
import numpy as np

from dxdask.errors import FormatError
from dxdask.storage.importers.nxmx.detector_sizes import detectors_of, fit_of
from dxdask.storage.importers.nxmx.fields import (
    attribute,
    groups_of,
    is_class,
    present,
    text,
    where,
)
from dxdask.storage.importers.nxmx.frames import is_count
from dxdask.storage.importers.nxmx.pieces import Linked, linked


@dataclass(frozen=True, slots=True)
class Candidate:
    """Datasets that may be the frames, in a group of an entry."""

    entry: h5py.Group
    path: str
    datasets: tuple[Linked, ...]

    @property
    def first(self) -> h5py.Dataset | None:
        """The first dataset that is there."""
        return next((d.dataset for d in self.datasets if d.dataset is not None), None)


def chosen_frames(file: h5py.File, dataset: str | None = None) -> Candidate:
    """Return the frames of a file.

    dataset : path of the dataset or of its group, where the user gave it.

    Raises
    ------
    FormatError
        There are none, or several that are equally likely.
    """
    entries = groups_of(file, "NXentry")
    if not entries:
        raise FormatError(f"{file.filename} has no NXentry: it is not an NXmx file of frames")
    marked = [
        e for e in entries if (d := present(e, "definition")) is not None and text(d) == "NXmx"
    ]
    for some in (marked, entries):
        found = [c for e in some for c in _candidates(e)]
        if found:
            break
    if dataset is not None:
        return _named(file, entries, found, dataset)
    entry = (marked or entries)[0]
    if not found:
        raise FormatError(
            f"{file.filename}: no frames in {entry.name} (NXdata with data or data_000001)"
        )
    ranked = [(_rank(c), c) for c in found]
    best = max(rank for rank, _ in ranked)
    several = _distinct([c for rank, c in ranked if rank == best])
    if len(several) > 1:
        default = {attribute(c.entry, "default") for c in several} - {""}
        several = [c for c in several if c.path.split("/")[-2] in default] or several
    if len(several) > 1 and best[0] > 0:
        raise FormatError(
            f"{file.filename} has several datasets of frames: "
            f"{', '.join(c.path for c in several)}; give input.dataset=one of them"
        )
    _require_frames(several[0])
    return several[0]


def _candidates(entry: h5py.Group) -> list[Candidate]:
    groups = groups_of(entry, "NXdata")
    if not groups and isinstance(entry.get("data"), h5py.Group):
        groups = [entry["data"]]
    out = [c for g in groups for c in _in_group(entry, g)]
    if any(c.first is not None and _is_image_like(c.first) for c in out):
        return out
    for instrument in groups_of(entry, "NXinstrument"):
        for detector in groups_of(instrument, "NXdetector"):
            own = [c for c in _in_group(entry, detector) if c.first is not None]
            out += [c for c in own if _is_image_like(c.first)]
    return out


def _in_group(entry: h5py.Group, group: h5py.Group) -> list[Candidate]:
    numbered = sorted(n for n in map(str, group) if re.fullmatch(r"data_\d+", n))
    names = numbered or [n for n in (attribute(group, "signal"), "data") if n and n in group][:1]
    if not names:
        return []
    datasets = tuple(linked(group, n) for n in names)
    return [Candidate(entry, f"{group.name}/{names[0]}", datasets)]


def _named(
    file: h5py.File, entries: list[h5py.Group], found: list[Candidate], name: str
) -> Candidate:
    """Return the frames that the user named, by dataset or group."""
    path = "/" + name.strip("/")
    for one in found:
        if path in (one.path, one.path.rsplit("/", 1)[0]):
            return one
    item = file.get(path)
    if not isinstance(item, h5py.Dataset):
        there = ", ".join(c.path for c in found) or "none"
        raise FormatError(
            f"{file.filename} has no dataset {path}; its datasets of frames are: {there}: give "
            "input.dataset=one of them"
        )
    entry = next((e for e in entries if path.startswith(f"{e.name}/")), entries[0])
    one = Candidate(entry, path, (Linked(path, item),))
    _require_frames(one)
    return one


def _require_frames(one: Candidate) -> None:
    first = one.first
    if first is not None and not _is_image_like(first):
        raise FormatError(
            f"{where(first)} is {first.dtype} {first.shape}; frames are numbers (image, slow, "
            "fast): integers, float32 or float64"
        )


def _is_image_like(dataset: h5py.Dataset) -> bool:
    return dataset.ndim in (2, 3, 4) and 0 not in dataset.shape and is_count(dataset.dtype)


def _rank(one: Candidate) -> tuple[int, int]:
    """Return how well datasets fit to a detector of their entry: more is better."""
    first = one.first
    if first is None:
        return (1, 0)  # nothing is known of files that are missing
    if not _is_image_like(first):
        return (0, 0)
    size = (
        int(np.prod(first.shape[-3:-1])) if first.ndim == 4 else first.shape[-2],
        first.shape[-1],
    )
    detectors = detectors_of(one.entry)
    fits = max((fit_of(d, size) for d in detectors), default=1)
    return (1 + fits, int(first.ndim > 2))


def _distinct(found: list[Candidate]) -> list[Candidate]:
    """Return candidates without those that are the same dataset by another link."""
    out: list[Candidate] = []
    for one in found:
        if not any(one.first is not None and one.first == other.first for other in out):
            out.append(one)
    return out


def chosen_detector(frames: Candidate, size: tuple[int, int], name: str | None) -> h5py.Group:
    """Return the detector that recorded frames of `size` (slow, fast).

    name : path of its group, where the user gave it.

    Raises
    ------
    FormatError
        There is none, or several that are equally likely.
    """
    entry = frames.entry
    found = detectors_of(entry)
    if name is not None:
        item = entry.file.get("/" + name.strip("/"))
        if not is_class(item, "NXdetector"):
            raise FormatError(
                f"{entry.file.filename} has no NXdetector {name}; its detectors are: "
                f"{', '.join(d.name for d in found) or 'none'}: give input.detector=one of them"
            )
        return item
    if not found:
        raise FormatError(
            f"{entry.file.filename}: {entry.name} has no NXinstrument with an NXdetector, which "
            "NXmx requires"
        )
    fits = [fit_of(d, size) for d in found]
    best = [d for d, fit in zip(found, fits, strict=True) if fit == max(fits)]
    own = [d for d in best if _holds(d, frames)]
    if len(own or best) > 1:
        raise FormatError(
            f"{entry.file.filename} has several detectors of the frames' size: "
            f"{', '.join(d.name for d in best)}; give input.detector=one of them"
        )
    return (own or best)[0]


def _holds(detector: h5py.Group, frames: Candidate) -> bool:
    """Return True if the frames are a detector's own: by the same dataset, or the same name."""
    data = present(detector, "data")
    if data is not None and data == frames.first:
        return True
    group = frames.path.split("/")[-2]
    return group == detector.name.rsplit("/", 1)[1] or frames.path.startswith(f"{detector.name}/")
