"""NeXus transformation chains: positions of modules, and rotation axes of the sample.

Source: the base class NXtransformations. An axis is applied after those that depend on it; its
offset is added in the frame of the axis that it depends on.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

import h5py
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.models.vectors import rotation_matrix
from dxdask.storage.importers.nxmx.fields import (
    MOST_VALUES,
    attribute,
    loaded,
    numbers,
    refuse_raw_storage,
    text,
    three,
    where,
)
from dxdask.storage.importers.nxmx.units import UnitError, converted, unit_of

__all__ = [
    "MOST_VALUES",
    "TO_IMGCIF",
    "Axis",
    "axis_chain",
    "follow",
    "loaded",
    "numbers",
    "refuse_raw_storage",
    "text",
    "transformation",
]

# NeXus (McStas) has x to the left seen along the beam and z along the beam; imgCIF, as dxtbx uses
# it, has z towards the source and keeps y: a rotation by 180 degrees about y.
TO_IMGCIF = np.diag([-1.0, 1.0, -1.0])
_MOST = 1e7  # mm or degrees: ten kilometres


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """One transformation: values (n,), mm or degrees, along or about `vector`; an offset, mm.

    `vector` and `offset` are in the NeXus frame.
    """

    path: str
    is_rotation: bool
    vector: Floats
    offset: Floats
    values: Floats

    def matrix(self, index: int = 0) -> Floats:
        """Return the transformation (4, 4) at one of its values, mm, NeXus frame."""
        value = float(self.values[min(index, len(self.values) - 1)])
        out = np.eye(4)
        out[:3, 3] = self.offset
        if self.is_rotation:
            out[:3, :3] = rotation_matrix(self.vector, np.deg2rad(value))
        else:
            out[:3, 3] += self.vector * value
        return out


def axis_chain(item: h5py.Dataset) -> list[Axis]:
    """Return the axis `item` and those it depends on, the innermost (item) first.

    Raises
    ------
    FormatError
        A link of the chain is missing, the chain is circular, or an axis makes no sense.
    """
    chain: list[Axis] = []
    seen: set[str] = set()
    while True:
        if item.name in seen:
            raise FormatError(f"{where(item)} depends on itself; correct its depends_on")
        seen.add(item.name)
        chain.append(_axis(item))
        following = follow(item, attribute(item, "depends_on", "."))
        if following is None:
            return chain
        item = following


def follow(item: h5py.Dataset | h5py.Group, depends_on: str) -> h5py.Dataset | None:
    """Return the axis that a depends_on of `item` names, from the root or beside it, or None.

    A name that is not beside the item is looked for in the groups around it, and in their
    `transformations`.

    Raises
    ------
    FormatError
        There is no such axis.
    """
    depends_on = depends_on.strip()
    if depends_on in ("", "."):
        return None
    folder = item.name if isinstance(item, h5py.Group) else posixpath.dirname(item.name)
    first = posixpath.normpath(posixpath.join(folder, depends_on))
    paths = [first]
    while not depends_on.startswith("/"):
        paths += [posixpath.join(folder, depends_on)]
        paths += [posixpath.join(folder, "transformations", depends_on)]
        if folder in ("/", ""):
            break
        folder = posixpath.dirname(folder)
    for path in paths:
        try:
            found = item.file.get(path)
        except (KeyError, OSError):
            continue
        if isinstance(found, h5py.Dataset):
            return found
    raise FormatError(f"{where(item)} depends on {first}, which is not in the file")


def transformation(chain: list[Axis], index: int = 0) -> Floats:
    """Return the transformation (4, 4) of a chain into the laboratory: mm, imgCIF frame."""
    out = np.eye(4)
    for axis in chain:
        out = axis.matrix(index) @ out
    out[:3, :3] = TO_IMGCIF @ out[:3, :3] @ TO_IMGCIF
    out[:3, 3] = TO_IMGCIF @ out[:3, 3]
    return out


def _axis(item: h5py.Dataset) -> Axis:
    kind = attribute(item, "transformation_type").lower()
    if kind not in ("rotation", "translation"):
        unit = unit_of(attribute(item, "units"))
        kind = "rotation" if unit is not None and unit.dimension == "angle" else "translation"
    is_rotation = kind == "rotation"
    # An axis without a value does not move.
    values = numbers(item, "angle" if is_rotation else "length") if item.size else np.zeros(1)
    if not np.all(np.abs(values) < _MOST):
        raise FormatError(f"{where(item)} has values beyond {_MOST:g}, or not finite")
    return Axis(
        path=str(item.name),
        is_rotation=is_rotation,
        vector=_vector(item, moves=bool(np.any(values))),
        offset=_offset(item, is_rotation=is_rotation),
        values=values,
    )


def _vector(item: h5py.Dataset, *, moves: bool) -> Floats:
    """Return the direction of an axis; one that does not move needs none."""
    vector = three(item, "vector")
    if vector is None and moves:
        raise FormatError(
            f"{where(item)} has no attribute vector; it is not a NeXus transformation"
        )
    length = 0.0 if vector is None else float(np.linalg.norm(vector))
    if vector is None or (length == 0.0 and not moves):
        return np.array([0.0, 0.0, 1.0])
    if not 0.0 < length < np.inf:
        raise FormatError(
            f"{where(item)} has the vector {vector.tolist()}; three numbers, not all 0"
        )
    # A vector that was rounded in the file is not normalised.
    return vector if abs(length - 1.0) < 1e-6 else vector / length


def _offset(item: h5py.Dataset, *, is_rotation: bool) -> Floats:
    """Return the offset of an axis, mm; without a unit of its own it is in that of the values."""
    offset = three(item, "offset")
    if offset is None:
        return np.zeros(3)
    own = "mm" if is_rotation else attribute(item, "units", "mm")
    name = attribute(item, "offset_units", own)
    try:
        offset = converted(offset, name, "length")
    except UnitError as error:
        raise UnitError(f"{where(item)}: its offset {error}") from None
    if not np.all(np.abs(offset) < _MOST):
        raise FormatError(f"{where(item)} has an offset beyond {_MOST:g} mm")
    return offset
