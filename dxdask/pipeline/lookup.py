"""Masks and maps of files that steps take.

They are read where the user is, and travel to the workers as values. Their content is part of the
fingerprint: a step is made again when a file has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dxdask.models.pixel_maps import PixelMaps
from dxdask.pipeline.declaration import Extras, Values
from dxdask.pipeline.inputs import RunInput
from dxdask.spotfinding.parameters import LookupParameters
from dxdask.storage.store import masks
from dxdask.storage.store.store import Store

_READ: Mapping[str, Callable[[Path, str], Any]] = {
    "mask": masks.read_mask,
    "gain_map": masks.read_gain_map,
    "pedestal_map": masks.read_pedestal_map,
}


def lookups(runs: Sequence[RunInput], parameters: LookupParameters) -> Extras:
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


def maps_of_find_spots(store: Store, runs: Sequence[RunInput], given: Values) -> Extras:
    """Return the maps of pixels that find_spots takes, in this command or took in an earlier one.

    Raises
    ------
    FormatError, InputError
        See `lookups`.
    """
    if hasattr(given, "spotfinder"):
        named = given.spotfinder.lookup
    elif store.has_step("find_spots"):
        recorded = store.manifest("find_spots").parameters.get("spotfinder", {})
        named = LookupParameters.model_validate(recorded.get("lookup", {}))
    else:
        named = LookupParameters()
    return lookups(runs, named.model_copy(update={"mask": None}))


def maps_of(extras: Extras) -> PixelMaps:
    """Return the maps of pixels among the values of a step."""
    return PixelMaps(extras.values.get("gain_map"), extras.values.get("pedestal_map"))
