"""Masks and maps of files that find_spots takes.

They are read where the user is, and travel to the workers as values. Their content is part of the
fingerprint: spots are found again when a file has changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dxdask.pipeline.declaration import Extras
from dxdask.pipeline.inputs import RunInput
from dxdask.spotfinding.parameters import LookupParameters
from dxdask.storage.store import masks


def lookups(runs: Sequence[RunInput], parameters: LookupParameters) -> Extras:
    """Return `mask` and `gain_map` (slow, fast), those that are named.

    Raises
    ------
    FormatError
        A file cannot be read, or holds something else.
    InputError
        It does not fit the frames of a run.
    """
    values: dict[str, Any] = {}
    if parameters.mask is not None:
        values["mask"] = masks.read_mask(parameters.mask, "lookup.mask")
    if parameters.gain_map is not None:
        values["gain_map"] = masks.read_gain_map(parameters.gain_map, "lookup.gain_map")
    for name, value in values.items():
        for run in runs:
            what = f"lookup.{name}={getattr(parameters, name)}"
            masks.check_size(what, value.shape, run.name, run.shape[1:])
    contents = {f"lookup.{name}": masks.digest(value) for name, value in values.items()}
    return Extras(values=values, contents=contents)
