"""Events in data files, and frames put together from the planes that their panels lie in."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.storage.formats.chunk_manifest import ChunkManifest
from dxdask.storage.importers.crystfel.layout import Dims
from dxdask.storage.importers.nxmx.axes import MOST_VALUES, refuse_raw_storage
from dxdask.storage.importers.nxmx.frames import opened


class Event(NamedTuple):
    """An event: what stands for each "%" of the names, and of the axes of its datasets."""

    parts: tuple[str, ...]
    indices: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanePart:
    """A plane of the data, and the row of the stored frame where it begins.

    Attributes
    ----------
    data : the dataset, with "%". dims : of its axes. rows, columns : taken, from the first on.
    """

    data: str
    dims: Dims
    rows: int
    columns: int
    first_row: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanesReader:
    """Reads frames whose planes are in any axes of any datasets of a file."""

    file: str
    planes: tuple[PlanePart, ...]
    events: tuple[Event, ...]
    frame_shape: tuple[int, int]
    dtype: str

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return frames first .. last - 1, (n, slow, fast); 0 where no plane is.

        Raises
        ------
        FormatError
            A dataset is missing or damaged.
        """
        out = np.zeros((last - first, *self.frame_shape), dtype=self.dtype)
        with opened(self.file) as file:
            for i, event in enumerate(self.events[first:last]):
                for part in self.planes:
                    frame = out[i, part.first_row : part.first_row + part.rows, : part.columns]
                    frame[...] = self._plane(file, part, event)
        return out

    def _plane(self, file: h5py.File, part: PlanePart, event: Event) -> NDArray[Any]:
        name = with_parts(part.data, event.parts)
        try:
            return np.asarray(
                file[name][selection(part.dims, event.indices, part.rows, part.columns)]
            )
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise FormatError(
                f"{self.file}: {name} cannot be read ({error}); fetch the file again"
            ) from error

    def manifest(self) -> ChunkManifest:
        """Raise FormatError: these frames are put together from parts of datasets."""
        raise FormatError(
            f"{self.file}: frames are put together from planes of {self.planes[0].data}"
        )


def with_parts(name: str, parts: Sequence[str]) -> str:
    """Return the name of a dataset with its "%" replaced, of which there may be fewer than parts.

    Raises
    ------
    FormatError
        There are more.
    """
    pieces = name.split("%")
    if len(pieces) - 1 > len(parts):
        raise FormatError(
            f"{name} has {len(pieces) - 1} placeholders %, the dataset of the frames {len(parts)}; "
            "it may have no more"
        )
    return "".join(a + b for a, b in zip(pieces, (*parts[: len(pieces) - 1], ""), strict=True))


def selection(dims: Dims, index: Sequence[int], rows: int, columns: int) -> tuple[Any, ...]:
    """Return the selection of a plane (rows, columns) in a dataset with these axes."""
    left, out = iter(index), list[Any]()
    for dim in dims:
        if dim == "ss":
            out.append(slice(0, rows))
        elif dim == "fs":
            out.append(slice(0, columns))
        else:
            out.append(next(left) if dim == "%" else dim)
    return tuple(out)


def dataset_at(file: h5py.File, name: str) -> h5py.Dataset | None:
    """Return a dataset, None where there is none or its link leads nowhere."""
    try:
        found = file.get(name)
    except (KeyError, OSError, ValueError, TypeError, RuntimeError):
        return None
    return found if isinstance(found, h5py.Dataset) else None


def events_of(file: h5py.File, parts: Sequence[PlanePart]) -> tuple[Event, ...]:
    """Return the events of a file, in the order of the names and axes.

    Raises
    ------
    FormatError
        There are none, or a dataset does not hold a plane.
    """
    first, out = parts[0], list[Event]()
    for names in _matches(file, first.data):
        dataset = file[with_parts(first.data, names)]
        axes = [n for n, d in zip(dataset.shape, first.dims, strict=False) if d == "%"]
        if len(out) + int(np.prod(axes, dtype=np.float64)) > MOST_VALUES:
            raise FormatError(f"{file.filename}: {dataset.name} announces too many events")
        for part in parts:
            check_plane(file, part, names, axes)
        out += [Event(names, index) for index in itertools.product(*map(range, axes))]
    if not out:
        raise FormatError(
            f"{file.filename} has no dataset {first.data}; correct data in the geometry, or give "
            "input.dataset"
        )
    return tuple(out)


def check_plane(
    file: h5py.File, part: PlanePart, names: Sequence[str], axes: Sequence[int]
) -> None:
    """Check that a dataset has the axes of a plane, and is large enough.

    axes : numbers of events along those that count events.

    Raises
    ------
    FormatError
        It has not.
    """
    name = with_parts(part.data, names)
    dataset = dataset_at(file, name)
    if dataset is None:
        raise FormatError(f"{file.filename} has no dataset {name}, which the geometry names")
    refuse_raw_storage(dataset)
    where = f"{file.filename}: {name} is {dataset.shape}"
    if len(dataset.shape or ()) != len(part.dims):
        shown = ", ".join(map(str, part.dims))
        raise FormatError(
            f"{where}, its axes are ({shown}) in the geometry; correct dim0, dim1 ..."
        )
    sizes = {"ss": part.rows, "fs": part.columns}
    for size, dim in zip(dataset.shape, part.dims, strict=True):
        if dim != "%" and size < (sizes[dim] if isinstance(dim, str) else dim + 1):
            needed = f"{part.rows} rows (ss), {part.columns} columns (fs)"
            raise FormatError(
                f"{where}, too small for {needed} of the panels and indices of {part.dims}; give "
                "the geometry of this detector"
            )
    if [n for n, d in zip(dataset.shape, part.dims, strict=True) if d == "%"] != list(axes):
        raise FormatError(f"{where}, of other events than the first dataset of the frames")


def _matches(file: h5py.File, pattern: str) -> Iterator[tuple[str, ...]]:
    """Yield what stands for each "%" of a name, for every dataset of the file with such a name."""
    before, percent, after = pattern.partition("%")
    if not percent:
        if dataset_at(file, pattern) is not None:
            yield ()
        return
    for name in sorted(_names_in(file, before or "/"), key=_natural):
        for rest in _matches(file, f"{before}{name}{after}") if "%" not in name else ():
            yield (name, *rest)


def _names_in(file: h5py.File, place: str) -> list[str]:
    """Return the names in a group, none where there is no such group or its link leads nowhere."""
    try:
        found = file.get(place)
    except (KeyError, OSError, ValueError, TypeError, RuntimeError):
        return []
    return list(found) if isinstance(found, h5py.Group) else []


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key by which shot2 comes before shot10."""
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in re.split(r"(\d+)", name) if p]
