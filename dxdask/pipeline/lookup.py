"""Masks and maps of files that steps take.

They are read where the user is, and travel to the workers as values. Their content is part of the
fingerprint: a step is made again when a file has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.models.pixel_maps import PixelMaps, require_maps_of
from dxdask.pipeline.declaration import Extras, Values
from dxdask.pipeline.inputs import RunInput
from dxdask.spotfinding.parameters import LookupParameters
from dxdask.storage.importers.dials.lookups import read_dials_map
from dxdask.storage.importers.dials.masks import read_dials_mask
from dxdask.storage.importers.dials.pickled import is_pickled
from dxdask.storage.store import masks
from dxdask.storage.store.store import Store

_READ: Mapping[str, Callable[[Path, str], NDArray[Any]]] = {
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
        values[name] = _values(name, path, runs)
        for run in runs:
            masks.check_size(f"lookup.{name}={path}", values[name].shape, run.name, run.shape[1:])
    contents = {f"lookup.{name}": masks.digest(value) for name, value in values.items()}
    return Extras(values=values, contents=contents)


def _values(name: str, path: Path, runs: Sequence[RunInput]) -> NDArray[Any]:
    """Return the values (slow, fast) of a file, those of DIALS placed by the panels of the runs."""
    if not runs or not is_pickled(path):
        return _READ[name](path, f"lookup.{name}")
    detector, shape = runs[0].experiment.detector, runs[0].shape[1:]
    if name == "mask":
        return read_dials_mask(path, detector, shape)
    found = read_dials_map(path, detector, shape)
    found[np.isnan(found) & (detector.panel_map(shape) < 0)] = 1.0 if name == "gain_map" else 0.0
    require_maps_of(detector, PixelMaps(**{name.removesuffix("_map"): found}), runs[0].name)
    return found


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
