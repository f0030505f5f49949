"""Values of fields and attributes in HDF5 files: numbers in the units of dxdask, and text.

A field that is null, empty or no dataset is as one that is not there. Each value beside the frames
is read here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.storage.formats.missing import Missing, Value
from dxdask.storage.importers.nxmx.units import Quantity, UnitError, converted

MOST_VALUES = 10_000_000  # of a dataset beside the frames: one for each image of the longest run
_SOME = 40


@dataclass(slots=True)
class Findings:
    """Missing and doubtful values of a file, collected while it is read."""

    missing: list[Missing] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def lacks(self, value: Value, reason: object) -> None:
        """Record a value that is missing."""
        found = Missing(value=value, reason=str(reason))
        if found not in self.missing:
            self.missing.append(found)

    def note(self, line: object) -> None:
        """Record what is doubtful, once."""
        if str(line) not in self.problems:
            self.problems.append(str(line))


def where(item: h5py.Dataset | h5py.Group) -> str:
    """Return file and path of an item, for messages."""
    return f"{item.file.filename}: {item.name}"


def present(group: h5py.Group, name: str) -> h5py.Dataset | None:
    """Return a dataset that has values, None where it is missing, null, empty or an empty text."""
    try:
        found = group.get(name)
    except (KeyError, OSError):  # a link to nowhere
        return None
    if not isinstance(found, h5py.Dataset) or not found.size:
        return None
    is_text = found.dtype.kind in "OSU" and found.size == 1
    return None if is_text and not text(found).strip() else found


def loaded(dataset: h5py.Dataset) -> Any:
    """Return the value of a dataset beside the frames, after checking the size it announces.

    Raises
    ------
    FormatError
        It is empty, larger than any such dataset, or stored in a raw file outside of HDF5.
    """
    if dataset.size is None:
        raise FormatError(f"{where(dataset)} is empty; write the file again")
    if max(dataset.size, dataset.dtype.itemsize) > MOST_VALUES:
        raise FormatError(
            f"{where(dataset)} announces {dataset.size} values of {dataset.dtype.itemsize} bytes, "
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
            f"{where(dataset)} is stored in raw files ({dataset.external[0][0]}), which are not "
            "read; copy it into HDF5 with h5repack"
        )


def text(value: Any) -> str:
    """Return a string attribute or dataset as str; one that is null is empty."""
    if isinstance(value, h5py.Dataset):
        value = loaded(value) if value.size else ""
    if isinstance(value, h5py.Empty):
        return ""
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    # h5py keeps bytes that are not UTF-8 as surrogates.
    raw = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def attribute(item: h5py.Dataset | h5py.Group, name: str, default: str = "") -> str:
    """Return a text attribute, `default` where it is missing, null or empty."""
    return text(item.attrs.get(name, default)).strip() or default


def three(item: h5py.Dataset, name: str) -> Floats | None:
    """Return an attribute of three numbers in any shape; None where it is missing or null.

    Raises
    ------
    FormatError
        It has another number of values, or they are not numbers.
    """
    found = item.attrs.get(name)
    if found is None or isinstance(found, h5py.Empty) or not np.size(found):
        return None
    try:
        values = np.asarray(found, dtype=np.float64).ravel()
    except (ValueError, TypeError) as error:
        raise FormatError(f"{where(item)} has the {name} {found}: not numbers") from error
    if values.size == 1 and values[0] == 0.0:
        return np.zeros(3)  # some writers give one zero for all
    if values.shape != (3,) or not np.all(np.isfinite(values)):
        shown = np.array2string(values[:_SOME], separator=", ")
        raise FormatError(f"{where(item)} has the {name} {shown}; three numbers, not all 0")
    return values


def numbers(dataset: h5py.Dataset, quantity: Quantity = "plain", default: str = "") -> Floats:
    """Return a dataset's numbers (n,) in the unit of their quantity.

    default : unit where the dataset names none.

    Raises
    ------
    FormatError
        Its unit is not known or of another quantity, or there are no numbers.
    """
    unit = attribute(dataset, "units", default)
    try:
        values = np.atleast_1d(np.asarray(loaded(dataset), dtype=np.float64)).ravel()
    except (ValueError, TypeError, OSError, OverflowError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{where(dataset)} cannot be read as numbers ({error})") from error
    try:
        return converted(values, unit, quantity)
    except UnitError as error:
        raise UnitError(f"{where(dataset)} {error}") from None


def unit_name(dataset: h5py.Dataset) -> str:
    """Return the name of a dataset's unit, empty where it has none."""
    return attribute(dataset, "units")


def first_number(
    group: h5py.Group, names: Iterable[str], quantity: Quantity, default: str = ""
) -> float | None:
    """Return the first finite number of the first of these fields that has one.

    Raises
    ------
    FormatError
        The unit is not known, or there are no numbers.
    """
    for name in names:
        found = present(group, name)
        if found is None:
            continue
        values = numbers(found, quantity, default)
        finite = values[np.isfinite(values)]
        if finite.size:
            return float(finite[0])
    return None


def is_class(item: Any, kind: str) -> bool:
    """Return True if an HDF5 object is a group of this NeXus class."""
    return isinstance(item, h5py.Group) and attribute(item, "NX_class") == kind


def groups_of(parent: h5py.Group, kind: str) -> list[h5py.Group]:
    """Return the groups of a NeXus class in a group, by name; links to nowhere are passed over."""
    found = []
    for name in parent:
        try:
            item = parent[name]
        except (KeyError, OSError):
            continue
        if is_class(item, kind):
            found.append(item)
    return found
