"""Masks and maps of files that steps take.

They are read where the user is, and travel to the workers as values. Their content is part of the
fingerprint: a step is made again when a file has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dxdask.models.pixel_maps import PixelMaps
from dxdask.parameters import Parameters
from dxdask.pipeline.declaration import Extras, Values
from dxdask.pipeline.inputs import RunInput
from dxdask.storage.store import masks
from dxdask.storage.store.store import Store

_READ: Mapping[str, Callable[[Path, str], Any]] = {
    "mask": masks.read_mask,
    "gain_map": masks.read_gain_map,
    "pedestal_map": masks.read_pedestal_map,
}


def lookups(runs: Sequence[RunInput], parameters: Parameters) -> Extras:
    """Return `mask`, `gain_map` and `pedestal_map` (slow, fast), those that are named.

    Raises
    ------
    FormatError
        A file cannot be read, or holds something else.
    InputError
        It does not fit the frames of a run.
    """
    values: dict[str, Any] = {}
    for name in type(parameters).model_fields:
        path = getattr(parameters, name)
        if path is None:
            continue
        values[name] = _READ[name](path, f"lookup.{name}")
        for run in runs:
            masks.check_size(f"lookup.{name}={path}", values[name].shape, run.name, run.shape[1:])
    contents = {f"lookup.{name}": masks.digest(value) for name, value in values.items()}
    return Extras(values=values, contents=contents)


def lookups_of_integration(store: Store, runs: Sequence[RunInput], given: Values) -> Extras:
    """Return the maps of the integration; those that it does not name are as for find_spots.

    Raises
    ------
    FormatError, InputError
        See `lookups`.
    """
    own = given.integration.lookup
    if hasattr(given, "spotfinder"):
        before = given.spotfinder.lookup.model_dump()
    elif store.has_step("find_spots"):
        recorded = store.manifest("find_spots").parameters
        before = recorded.get("spotfinder", {}).get("lookup", {})
    else:
        before = {}
    names = type(own).model_fields
    kept = {n: before[n] for n in names if getattr(own, n) is None and before.get(n) is not None}
    return lookups(runs, own.model_copy(update={n: Path(p) for n, p in kept.items()}))


def maps_of(extras: Extras) -> PixelMaps:
    """Return the maps of pixels among the values of a step."""
    return PixelMaps(extras.values.get("gain_map"), extras.values.get("pedestal_map"))
