"""Source datasets of virtual datasets of frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import h5py

_MOST_PARTS = 4096


class SourcePart(NamedTuple):
    """Frames first .. first + n_images - 1 of a dataset; `there`: its file exists."""

    file: str
    dataset: str
    n_images: int
    first: int
    there: bool = True


def source_parts(dataset: h5py.Dataset) -> list[SourcePart]:
    """Return the sources of the frames of a virtual dataset, in order.

    Empty where it is not virtual, and where only HDF5 can assemble it: frames are in pieces, out of
    order, of another type, or without a source.
    """
    if not dataset.is_virtual:
        return []
    maps = dataset.virtual_sources()
    if len(maps) > _MOST_PARTS:
        return []
    folder = Path(dataset.file.filename).parent
    ranges: list[tuple[int, int, SourcePart]] = []
    for entry in maps:
        target = _image_range(entry.vspace, dataset.shape)
        file = dataset.file.filename if entry.file_name == "." else str(folder / entry.file_name)
        there = Path(file).is_file()
        source = _source_range(file, entry.dset_name, entry.src_space, dataset) if there else target
        if target is None or source is None or target[1] - target[0] != source[1] - source[0]:
            return []
        n_images = target[1] - target[0]
        ranges.append((*target, SourcePart(file, entry.dset_name, n_images, source[0], there)))
    ranges.sort(key=lambda r: r[:2])
    ends = [0, *(stop for _, stop, _ in ranges)]
    starts = [*(start for start, _, _ in ranges), dataset.shape[0]]
    return [part for _, _, part in ranges] if starts == ends else []


def _source_range(file: str, name: str, space: Any, target: h5py.Dataset) -> tuple[int, int] | None:
    try:
        with h5py.File(file, "r", locking=False) as opened:
            source = opened[name]
            fits = (
                isinstance(source, h5py.Dataset)
                and not source.is_virtual
                and not source.external
                and source.dtype == target.dtype
                and source.shape[1:] == target.shape[1:]
            )
            return _image_range(space, source.shape) if fits else None
    except (OSError, KeyError):
        return None


def _image_range(space: Any, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return the images (first, one behind the last) that a selection of whole frames is."""
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return 0, shape[0]
    if space.get_select_type() != h5py.h5s.SEL_HYPERSLABS or not space.is_regular_hyperslab():
        return None
    ranges = []
    for start, stride, count, block in zip(*space.get_regular_hyperslab(), strict=True):
        if count != 1 and stride != block:
            return None
        ranges.append((int(start), int(start + (count - 1) * stride + block)))
    whole = [(0, n) for n in shape[1:]]
    first, last = ranges[0]
    return (first, last) if ranges[1:] == whole and 0 <= first < last <= shape[0] else None
