"""Masks of pixels in the data file, or in files of their own.

A pixel is good where all of `goodbits` are set and none of `badbits`; both are 0 where they are not
given. Source: the manual page crystfel_geometry(5) of CrystFEL 0.12.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.errors import FormatError, InputError
from dxdask.storage.importers.crystfel.layout import Dims
from dxdask.storage.importers.crystfel.planes import Event, dataset_at, selection, with_parts
from dxdask.storage.importers.crystfel.text import GeometryText, bits
from dxdask.storage.importers.nxmx.axes import refuse_raw_storage
from dxdask.storage.importers.nxmx.frames import opened

N_MASKS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskSource:
    """A mask of some panels.

    Attributes
    ----------
    number : 0 to 7. data : the dataset. file : the file, None: that of the frames. good, bad : bits
    that a good pixel has, and has not. panels : their names.
    """

    number: int
    data: str
    file: str | None
    good: int
    bad: int
    panels: tuple[str, ...]


def mask_sources(file: GeometryText) -> tuple[MaskSource, ...]:
    """Return the masks of a geometry; what masks nothing is a problem of it."""
    panels: dict[tuple[int, str, str | None, int, int], list[str]] = {}
    for name, given in file.panels.items():
        for n in range(N_MASKS):
            keys = [k for k in given if k.startswith(f"mask{n}_")]
            data = given.get(f"mask{n}_data")
            if data is None:
                for key in keys:
                    file.note(f"{key} is not used: mask{n}_data is not given", f"panel {name}")
                continue
            good, bad = (
                bits(file.path, key, given.get(key, "0"))
                for key in (f"mask{n}_goodbits", f"mask{n}_badbits")
            )
            if not good and not bad:
                file.note(
                    f"mask{n}_data = {data} masks nothing: neither mask{n}_goodbits nor "
                    f"mask{n}_badbits has a bit set",
                    f"panel {name}",
                )
                continue
            panels.setdefault((n, data, given.get(f"mask{n}_file"), good, bad), []).append(name)
    return tuple(
        MaskSource(number=n, data=data, file=path, good=good, bad=bad, panels=tuple(names))
        for (n, data, path, good, bad), names in panels.items()
    )


def mask_path(source: MaskSource, geometry: Path, frames: Path) -> Path:
    """Return the file of a mask: by its name in the working folder, or beside geometry or frames.

    Raises
    ------
    InputError
        There is no such file.
    """
    if source.file is None:
        return frames
    folders = (Path(), geometry.parent, frames.parent)
    for folder in folders:
        if (folder / source.file).is_file():
            return (folder / source.file).absolute()
    raise InputError(
        f"{geometry}: mask{source.number}_file = {source.file} is neither in the working folder "
        "nor beside the geometry or the frames; correct it"
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskPiece:
    """The part of a mask that is of one panel.

    Attributes
    ----------
    file, data, good, bad : of the mask. dims : of the axes of the frames; None: not known.
    box : x0, x1, y0, y1 of the panel in its plane. at : its first pixel (slow, fast) in the frame.
    """

    file: str
    data: str
    good: int
    bad: int
    dims: Dims | None
    box: tuple[int, int, int, int]
    at: tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class EventMasks:
    """Masks of events; small and picklable, it opens files where it reads.

    Attributes
    ----------
    events : of the frames. frame : its shape (slow, fast).
    """

    pieces: tuple[MaskPiece, ...]
    events: tuple[Event, ...]
    frame: tuple[int, int]

    @contextmanager
    def opened(self) -> Iterator[_OpenMasks]:
        """Open the files of the masks."""
        files: dict[str, h5py.File] = {}
        try:
            for piece in self.pieces:
                if piece.file not in files:
                    manager = opened(piece.file)
                    files[piece.file] = manager.__enter__()
            yield _OpenMasks(self, files)
        finally:
            for file in files.values():
                file.close()


@dataclass
class _OpenMasks:
    masks: EventMasks
    files: Mapping[str, h5py.File]
    varying: set[int] = field(default_factory=set, init=False)
    """Numbers of the pieces read until now that differ between events."""

    def good(self, number: int) -> Mask:
        """Return the mask (slow, fast) of an event, true where a pixel is good."""
        good, planes = np.ones(self.masks.frame, np.bool_), dict[Any, NDArray[np.uint64]]()
        for i, piece in enumerate(self.masks.pieces):
            values, varies = self._values(piece, number, planes)
            if varies:
                self.varying.add(i)
            (row, column), (height, width) = piece.at, values.shape
            here = good[row : row + height, column : column + width]
            wanted, unwanted = np.uint64(piece.good), np.uint64(piece.bad)
            here &= ((values & wanted) == wanted) & ((values & unwanted) == 0)
        return good

    def _values(
        self, piece: MaskPiece, number: int, planes: dict[Any, NDArray[np.uint64]]
    ) -> tuple[NDArray[np.uint64], bool]:
        """Return the values (slow, fast) of a mask on its panel, and if they are of one event."""
        event, frame = self.masks.events[number], self.masks.frame
        file, name = self.files[piece.file], with_parts(piece.data, event.parts)
        varies = "%" in piece.data
        item = dataset_at(file, name)
        if item is None or item.dtype.kind not in "iubf":
            raise FormatError(
                f"{file.filename} has no mask {name} of numbers, which the geometry names"
            )
        refuse_raw_storage(item)
        x0, x1, y0, y1 = piece.box
        chosen = _chosen(item, piece.dims, event.indices, (y1, x1))
        if chosen is not None:
            varies |= item.ndim == len(piece.dims or ()) and bool(event.indices)
            key: Any = (piece.file, name, str(chosen))
            if key not in planes:
                planes[key] = _whole(item[chosen])
            return planes[key][y0:y1, x0:x1], varies
        n_events, size = len(self.masks.events), frame[0] * frame[1]
        key = (piece.file, name, "")
        if key not in planes:
            if item.size == size:
                planes[key] = _whole(item[()]).reshape(frame)
            elif item.size == size * n_events and item.shape[0] == n_events:
                varies = True
                planes[key] = _whole(item[number]).reshape(frame)
            else:
                raise FormatError(
                    f"{file.filename}: {name} is {item.shape}, the frames are {frame} (slow, fast)"
                )
        row, column = piece.at
        return planes[key][row : row + y1 - y0, column : column + x1 - x0], varies


def _chosen(
    item: h5py.Dataset, dims: Dims | None, index: Sequence[int], needed: tuple[int, int]
) -> tuple[Any, ...] | None:
    """Return the selection of a whole plane, None where the axes are not those of the frames."""
    if dims is None:
        return None
    if item.ndim == len(dims) - dims.count("%"):
        dims = tuple(d for d in dims if d != "%")
    if item.ndim != len(dims):
        return None
    rows, columns = (item.shape[dims.index(d)] for d in ("ss", "fs"))
    chosen = selection(dims, index, rows, columns)
    inside = all(isinstance(c, slice) or c < n for c, n in zip(chosen, item.shape, strict=True))
    return chosen if inside and rows >= needed[0] and columns >= needed[1] else None


def _whole(values: Any) -> NDArray[np.uint64]:
    """Return values as bits; those of numbers with fractions are of their whole part."""
    found = np.asarray(values)
    if found.dtype.kind == "f":
        found = np.where(np.isfinite(found), np.clip(found, -(2.0**62), 2.0**62), 0.0)
    return found.astype(np.int64).astype(np.uint64) if found.dtype.kind in "if" else (
        found.astype(np.uint64)
    )  # fmt: skip
