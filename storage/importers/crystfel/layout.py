"""Places of panels in the data files, and in the stored frames made of them.

A dataset holds a plane (ss, fs) for each event and each fixed index of its other axes. Planes that
the panels lie in are stacked along slow to one stored frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dxdask.errors import FormatError
from dxdask.storage.importers.crystfel.keys import DIM
from dxdask.storage.importers.crystfel.text import GeometryText, whole_number

Dims = tuple[str | int, ...]
"""Role of each axis of a dataset: "ss", "fs", "%" (events) or the index that is taken."""


@dataclass(frozen=True, kw_only=True)
class Plane:
    """A plane of the data files.

    Attributes
    ----------
    data : the dataset, "%" for parts of its name that differ between events; None: not named.
    dims : its axes; None: not given.
    """

    data: str | None
    dims: Dims | None


class Place(NamedTuple):
    """Place of a plane in the stored frame: its first row, and the part that panels need."""

    row: int
    n_rows: int
    n_columns: int


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Planes of all panels, and their places in the stored frame.

    Attributes
    ----------
    planes : of each panel, by its name. places : of each plane.
    stacked : whether the planes are those along one axis of one dataset, in order and whole, with
        events as its first axis, or its only plane: as `Hdf5Reader` stacks them.
    """

    planes: Mapping[str, Plane]
    places: Mapping[Plane, Place]
    stacked: bool

    @property
    def frame(self) -> tuple[int, int]:
        """Smallest frame (slow, fast) with all planes."""
        return (
            max(p.row + p.n_rows for p in self.places.values()),
            max(p.n_columns for p in self.places.values()),
        )

    def row_of(self, panel: str) -> int:
        """Return the row of the stored frame where the plane of a panel begins."""
        return self.places[self.planes[panel]].row


def layout_of(file: GeometryText, n_slow: int | None = None) -> Layout:
    """Return the layout of a geometry.

    n_slow : rows of a plane where planes are along an axis of the dataset; None: as many as the
    panels need.

    Raises
    ------
    FormatError
        An axis is missing, given twice or not valid.
    """
    planes = {name: _plane(file.path, name, given) for name, given in file.panels.items()}
    ends: dict[Plane, list[int]] = {}
    for name, given in file.panels.items():
        size = [
            whole_number(file.path, f"{name}/{key}", given.get(key, "0")) + 1
            for key in ("max_ss", "max_fs")
        ]
        before = ends.setdefault(planes[name], size)
        ends[planes[name]] = [max(a, b) for a, b in zip(before, size, strict=True)]
    kinds = {(p.data, p.dims and tuple(d if isinstance(d, str) else 0 for d in p.dims))
             for p in ends}  # fmt: skip
    fixed = [tuple(d for d in p.dims or () if isinstance(d, int)) for p in ends]
    if len(kinds) == 1 and all(len(f) <= 1 for f in fixed):
        height = n_slow or max(size[0] for size in ends.values())
        places = {
            plane: Place(height * (index[0] if index else 0), *ends[plane])
            for plane, index in zip(ends, fixed, strict=True)
        }
        dims = next(iter(ends)).dims
        simple = dims is None or (dims[0] == "%" and dims[-2:] == ("ss", "fs"))
        stacked = simple and "%" not in (dims or ())[1:] and _without_placeholder(planes)
        return Layout(planes=planes, places=places, stacked=stacked)
    places, top = {}, 0
    for plane, (n_rows, n_columns) in ends.items():
        places[plane] = Place(top, n_rows, n_columns)
        top += n_rows
    return Layout(planes=planes, places=places, stacked=False)


def _without_placeholder(planes: Mapping[str, Plane]) -> bool:
    return not any("%" in (p.data or "") for p in planes.values())


def _plane(path: Path, name: str, given: Mapping[str, str]) -> Plane:
    data = given.get("data")
    if data is not None and any("%" in part and part != "%" for part in data.split("/")):
        raise FormatError(
            f"{path}: data = {data} has % in a part of a name; it stands for a whole name"
        )
    axes = {int(m[1]): v for k, v in given.items() if (m := DIM.fullmatch(k))}
    if not axes:
        return Plane(data=data, dims=None)
    axes = {0: "ss", 1: "fs"} | axes
    dims: list[str | int] = []
    for i in range(1 + max(axes)):
        value = axes.get(i)
        if value is None:
            raise FormatError(f"{path}: panel {name} has dim{max(axes)} without dim{i}; add it")
        dims.append(value if value in ("ss", "fs", "%") else _index(path, f"{name}/dim{i}", value))
    if dims.count("ss") != 1 or dims.count("fs") != 1 or dims.index("ss") > dims.index("fs"):
        axes_now = ", ".join(f"dim{i} = {d}" for i, d in enumerate(dims))
        raise FormatError(
            f"{path}: panel {name} needs one axis ss and behind it one axis fs, it has {axes_now}"
        )
    return Plane(data=data, dims=tuple(dims))


def _index(path: Path, name: str, value: str) -> int:
    found = whole_number(path, name, value)
    if found < 0:
        raise FormatError(f"{path}: {name} = {value} is none of ss, fs, % and an index from 0")
    return found
