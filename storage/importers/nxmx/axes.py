"""NeXus transformation chains: positions of modules, and rotation axes of the sample."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.models.vectors import rotation_matrix

# NeXus (McStas) has x to the left seen along the beam and z along the beam; imgCIF, as dxtbx uses
# it, has z towards the source and keeps y: a rotation by 180 degrees about y.
TO_IMGCIF = np.diag([-1.0, 1.0, -1.0])

MOST_VALUES = 10_000_000  # of a dataset beside the frames: one for each image of the longest run

_UNITS = {
    "m": 1e3, "metre": 1e3, "meter": 1e3, "cm": 10.0, "mm": 1.0, "millimetre": 1.0,
    "millimeter": 1.0,
    "um": 1e-3, "micron": 1e-3, "microns": 1e-3, "nm": 1e-6,
    "deg": 1.0, "degree": 1.0, "degrees": 1.0, "rad": 180.0 / np.pi, "radian": 180.0 / np.pi,
    "s": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9,
    "angstrom": 1.0, "angstroms": 1.0, "ev": 1.0, "kev": 1e3, "pixel": 1.0, "pixels": 1.0,
}  # fmt: skip


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


def loaded(dataset: h5py.Dataset) -> Any:
    """Return the value of a dataset beside the frames, after checking the size it announces.

    Raises
    ------
    FormatError
        It is larger than any such dataset, or stored in a raw file outside of HDF5.
    """
    if dataset.size is None:
        raise FormatError(f"{_where(dataset)} is empty; write the file again")
    if max(dataset.size, dataset.dtype.itemsize) > MOST_VALUES:
        raise FormatError(
            f"{_where(dataset)} announces {dataset.size} values of {dataset.dtype.itemsize} bytes, "
            f"more than {MOST_VALUES}; only frames may be that large"
        )
    refuse_raw_storage(dataset)
    return dataset[()]


def refuse_raw_storage(dataset: h5py.Dataset) -> None:
    """Refuse a dataset whose bytes are in a raw file outside of HDF5.

    It can name any file. Links to other HDF5 files are followed, because archives use them.

    Raises
    ------
    FormatError
        The dataset is external.
    """
    if dataset.external:
        raise FormatError(
            f"{_where(dataset)} is stored in raw files ({dataset.external[0][0]}), which are not "
            "read; copy it into HDF5 with h5repack"
        )


def text(value: Any) -> str:
    """Return a string attribute or dataset as str."""
    if isinstance(value, h5py.Dataset):
        value = loaded(value)
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def numbers(dataset: h5py.Dataset, unit: str = "") -> Floats:
    """Return a dataset's numbers (n,) in mm, degrees, s, A or eV; `unit` where it names none.

    Raises
    ------
    FormatError
        The unit is unknown, or there are no numbers.
    """
    name = text(dataset.attrs.get("units", unit)).strip() or unit
    if name and name.lower() not in _UNITS:
        raise FormatError(f"{_where(dataset)} is in {name!r}, a unit that is not known")
    factor = _UNITS[name.lower()] if name else 1.0
    try:
        values = np.atleast_1d(np.asarray(loaded(dataset), dtype=np.float64)).ravel()
    except (ValueError, TypeError, OSError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{_where(dataset)} cannot be read as numbers ({error})") from error
    # Dividing where the factor is below one keeps 7.5e-05 m at 0.075 mm to the last bit.
    return values * factor if factor >= 1.0 else values / round(1.0 / factor, 9)


def axis_chain(item: h5py.Dataset) -> list[Axis]:
    """Return the axis `item` and those it depends on, the innermost (item) first.

    Raises
    ------
    FormatError
        A link of the chain is missing, or the chain is circular.
    """
    chain: list[Axis] = []
    seen: set[str] = set()
    while True:
        if item.name in seen:
            raise FormatError(f"{_where(item)} depends on itself; correct its depends_on")
        seen.add(item.name)
        chain.append(_axis(item))
        following = follow(item, text(item.attrs.get("depends_on", ".")))
        if following is None:
            return chain
        item = following


def follow(item: h5py.Dataset | h5py.Group, depends_on: str) -> h5py.Dataset | None:
    """Return the axis that a depends_on of `item` names, from the root or beside it, or None."""
    depends_on = depends_on.strip()
    if depends_on in ("", "."):
        return None
    folder = item.name if isinstance(item, h5py.Group) else posixpath.dirname(item.name)
    path = posixpath.join(folder, depends_on)
    found = item.file.get(path)
    if not isinstance(found, h5py.Dataset):
        raise FormatError(f"{_where(item)} depends on {path}, which is not in the file")
    return found


def transformation(chain: list[Axis], index: int = 0) -> Floats:
    """Return the transformation (4, 4) of a chain into the laboratory: mm, imgCIF frame."""
    out = np.eye(4)
    for axis in chain:
        out = axis.matrix(index) @ out
    out[:3, :3] = TO_IMGCIF @ out[:3, :3] @ TO_IMGCIF
    out[:3, 3] = TO_IMGCIF @ out[:3, 3]
    return out


def _axis(item: h5py.Dataset) -> Axis:
    attributes = item.attrs
    if "vector" not in attributes:
        raise FormatError(
            f"{_where(item)} has no attribute vector; it is not a NeXus transformation"
        )
    kind = text(attributes.get("transformation_type", "")).lower()
    if kind not in ("rotation", "translation"):
        unit = text(attributes.get("units", "")).lower()
        kind = "rotation" if unit.startswith(("deg", "rad")) else "translation"
    vector = np.asarray(attributes["vector"], dtype=np.float64)
    length = float(np.linalg.norm(vector))
    if vector.shape != (3,) or not length > 0.0:
        raise FormatError(
            f"{_where(item)} has the vector {vector.tolist()}; three numbers, not all 0"
        )
    offset = np.asarray(attributes.get("offset", (0.0, 0.0, 0.0)), dtype=np.float64)
    offset_unit = text(attributes.get("offset_units", "mm")).strip().lower() or "mm"
    if offset_unit not in _UNITS or offset.shape != (3,):
        raise FormatError(f"{_where(item)} has the offset {offset.tolist()} {offset_unit}")
    return Axis(
        path=str(item.name),
        is_rotation=kind == "rotation",
        # A vector that was rounded in the file is not normalised.
        vector=vector if abs(length - 1.0) < 1e-6 else vector / length,
        offset=offset * _UNITS[offset_unit],
        values=numbers(item, "deg" if kind == "rotation" else "mm"),
    )


def _where(item: h5py.Dataset | h5py.Group) -> str:
    return f"{item.file.filename}: {item.name}"
