"""Values of events in data files: datasets that a geometry names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import h5py
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.storage.importers.crystfel.planes import Event, dataset_at, with_parts
from dxdask.storage.importers.crystfel.units import Lookup, Values
from dxdask.storage.importers.nxmx.axes import loaded, text


def lookup_in(file: h5py.File, events: Sequence[Event] | None, geometry: object) -> Lookup:
    """Return the function that returns the values of a dataset for the events of a file.

    events : None: any number of values is returned. geometry : names the dataset, for messages.
    """

    def values(place: str) -> Values:
        if events is None or "%" not in place:
            item = _item(file, place, geometry)
            n_events = None if events is None else len(events)
            return Values(numbers=_of_events(item, n_events), unit=_unit(item))
        names = [with_parts(place, e.parts) for e in events]
        found = {n: _item(file, n, geometry) for n in dict.fromkeys(names)}
        numbers = {n: iter(_of_events(found[n], k)) for n, k in Counter(names).items()}
        rows = [next(numbers[n], None) if found[n].size > 1 else _first(found[n]) for n in names]
        return Values(numbers=np.array(rows, dtype=np.float64), unit=_unit(found[names[0]]))

    return values


def _item(file: h5py.File, place: str, geometry: object) -> h5py.Dataset:
    found = dataset_at(file, place)
    if found is None:
        raise FormatError(f"{file.filename} has no {place}, which {geometry} names")
    return found


def _of_events(item: h5py.Dataset, n_events: int | None) -> Floats:
    """Return the values (1,) or (n,) of a dataset."""
    try:
        numbers = np.atleast_1d(np.asarray(loaded(item), dtype=np.float64)).ravel()
    except (ValueError, TypeError, OSError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(
            f"{item.file.filename}: {item.name} cannot be read as numbers ({error})"
        ) from error
    if not numbers.size or (n_events is not None and numbers.size not in (1, n_events)):
        raise FormatError(
            f"{item.file.filename}: {item.name} has {numbers.size} values for {n_events} events; "
            "write the value into the geometry"
        )
    return numbers


def _first(item: h5py.Dataset) -> float:
    return float(_of_events(item, 1)[0])


def _unit(item: h5py.Dataset) -> str:
    return text(item.attrs.get("units", "")).strip()
