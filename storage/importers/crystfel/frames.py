"""Frames of raw events in HDF5 files."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py

from dxdask.errors import FormatError, InputError
from dxdask.storage.formats.file_bytes import MAX_IMAGE_BYTES
from dxdask.storage.importers.crystfel.layout import Layout
from dxdask.storage.importers.crystfel.planes import (
    Event,
    PlanePart,
    PlanesReader,
    dataset_at,
    events_of,
    with_parts,
)
from dxdask.storage.importers.nxmx.axes import MOST_VALUES, refuse_raw_storage
from dxdask.storage.importers.nxmx.experiment import is_class, is_nxmx
from dxdask.storage.importers.nxmx.frames import Hdf5Reader, Part, frames_of, is_count, opened

_USUAL = ("entry/data/data", "entry_1/data_1/data", "data/data", "data")


@dataclass(frozen=True, kw_only=True)
class RawFrames:
    """Frames of a file, to be read.

    Attributes
    ----------
    n_slow : rows of a plane where planes are along an axis of the dataset, else None.
    """

    reader: Hdf5Reader | PlanesReader
    events: Sequence[Event]
    n_slow: int | None = None


def raw_frames(file: h5py.File, layout: Layout | None, dataset: str | None) -> RawFrames:
    """Return the frames of a file.

    layout : of the geometry; None: it does not name places in the file. dataset : instead of that
    of the geometry; None: the one the geometry names, or one of the usual names.

    Raises
    ------
    FormatError
        There are no frames, or they do not have the axes of the layout.
    """
    named = dataset
    if named is None and layout is not None:
        named = next(iter(layout.planes.values())).data
    if layout is None or layout.stacked:
        data = _dataset(file, named)
        dims = None if layout is None else next(iter(layout.planes.values())).dims
        if dims is not None and data.ndim != len(dims):
            raise FormatError(
                f"{file.filename}: {data.name} is {data.shape}, its axes are "
                f"({', '.join(map(str, dims))}) in the geometry; correct dim0 ..."
            )
        if data.ndim != 2:
            reader, n_slow = _stacked(data)
            events = [Event((), (i,)) for i in range(data.shape[0])]
            return RawFrames(reader=reader, events=events, n_slow=n_slow)
    return _assembled(file, layout, dataset)


def _stacked(data: h5py.Dataset) -> tuple[Hdf5Reader, int | None]:
    """Return the reader of frames (event, slow, fast) or (event, panel, slow, fast), and the rows
    of one of these panels, which are stacked along slow.
    """
    where = f"{data.file.filename}: {data.name}"
    if data.ndim not in (3, 4) or 0 in data.shape or not is_count(data.dtype):
        raise FormatError(
            f"{where} is {data.dtype} {data.shape}; frames are numbers (event, slow, fast) or "
            "(event, panel, slow, fast): integers, float32 or float64"
        )
    _check_written(data, data.shape[0], data.shape[1:])
    reader = Hdf5Reader(
        format="events",
        parts=(Part(file=data.file.filename, dataset=data.name, n_images=data.shape[0]),),
        frame_shape=(math.prod(data.shape[1:-1]), data.shape[-1]),
        dtype=data.dtype.newbyteorder("=").str,
    )
    return reader, data.shape[2] if data.ndim == 4 else None


def _assembled(file: h5py.File, layout: Layout | None, dataset: str | None) -> RawFrames:
    """Return frames whose planes are anywhere; without a layout, the one image of a dataset."""
    if layout is None:
        data = _dataset(file, dataset)
        whole = {"dims": ("ss", "fs"), "rows": data.shape[0], "columns": data.shape[1]}
        parts, shape = [PlanePart(data=data.name, first_row=0, **whole)], data.shape
    else:
        shape = layout.frame
        parts = [
            PlanePart(
                data=dataset or plane.data or _dataset(file, None).name,
                dims=plane.dims or ("ss", "fs"),
                rows=place.n_rows,
                columns=place.n_columns,
                first_row=place.row,
            )
            for plane, place in layout.places.items()
        ]
    if math.prod(shape) > MAX_IMAGE_BYTES:
        raise FormatError(
            f"{file.filename}: panels of the geometry need frames of {shape} (slow, fast); no "
            "detector records that"
        )
    events = events_of(file, parts)
    first = [file[with_parts(p.data, events[0].parts)] for p in parts]
    types = {d.dtype.newbyteorder("=") for d in first}
    if len(types) > 1 or not is_count(first[0].dtype):
        raise FormatError(
            f"{file.filename}: frames of the datasets {', '.join(d.name for d in first[:9])} are "
            f"{', '.join(map(str, types))}; they are integers, float32 or float64, all of one type"
        )
    for data in first:
        _check_written(data, len(events), shape)
    reader = PlanesReader(
        file=str(file.filename), planes=tuple(parts), events=events, frame_shape=shape,
        dtype=types.pop().str,
    )  # fmt: skip
    return RawFrames(reader=reader, events=events)


def _dataset(file: h5py.File, name: str | None) -> h5py.Dataset:
    names = _USUAL if name is None else (name,)
    for one in names:
        found = dataset_at(file, one)
        if found is not None and found.shape:
            return found
    raise FormatError(
        f"{file.filename} has no dataset {' or '.join(names)}; name that of its frames with "
        "input.dataset"
    )


def _check_written(data: h5py.Dataset, n_events: int, shape: Sequence[int]) -> None:
    """Refuse frames larger than any, stored outside of HDF5, or not written."""
    where = f"{data.file.filename}: {data.name}"
    refuse_raw_storage(data)
    n_bytes = data.dtype.itemsize * math.prod(shape)
    if n_bytes > MAX_IMAGE_BYTES or n_events > MOST_VALUES:
        raise FormatError(
            f"{where} announces {n_events} frames of {tuple(shape)} {data.dtype}: no detector "
            "records that"
        )
    if not data.is_virtual:
        stored = data.id.get_storage_size()
        if stored == 0 or stored > os.path.getsize(data.file.filename):
            raise FormatError(
                f"{where} holds no frames, or fewer than it announces: it is truncated"
            )


def frames_in(path: Path, dataset: str | None = None) -> tuple[Hdf5Reader, int]:
    """Return the reader of the frames in an HDF5 file, NXmx or not, and their number.

    Used for dark runs, which need no geometry.

    Raises
    ------
    InputError
        There is no such file.
    FormatError
        There are no frames in it.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}; check its name and whether the disk is mounted")
    with opened(path) as file:
        if dataset is None and is_nxmx(path):
            entry = next(g for g in file.values() if is_class(g, "NXentry"))
            reader, _ = frames_of(entry)
        else:
            reader = _stacked(_dataset(file, dataset))[0]
    return reader, sum(p.n_images for p in reader.parts)
