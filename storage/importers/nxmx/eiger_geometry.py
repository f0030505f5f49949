"""The place of the detector in the group `geometry` of EIGER masters without modules.

Source: dxtbx's FormatHDF5EigerNearlyNexus; `orientation/value` and `translation/distances` are in a
frame with x to the left seen along the beam, as that of NeXus, and z towards the source.
"""

from __future__ import annotations

from typing import NamedTuple

import h5py
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.models.vectors import Vector, unit, vector
from dxdask.storage.importers.nxmx.fields import Findings, numbers, present, where

_TO_IMGCIF = np.diag([-1.0, 1.0, 1.0])
_DIRECTIONS = "geometry/orientation/value"
_PLACE = "geometry/translation/distances"
_UPRIGHT: tuple[Vector, Vector] = ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
_TOLERANCE = 0.01
_LEAST, _MOST = 1.0, 1e5  # mm, of a distance


class EigerGeometry(NamedTuple):
    """Directions fast and slow; origin: of the first pixel, mm, None where the file has none."""

    fast: Vector
    slow: Vector
    origin: Vector | None


def eiger_geometry(group: h5py.Group, found: Findings) -> EigerGeometry:
    """Return what the group `geometry` of an NXdetector says; upright where it says nothing."""
    directions = _values(group, _DIRECTIONS, 6, found)
    fast, slow = _UPRIGHT
    if directions is not None and np.any(directions):
        rows = directions.reshape(2, 3) @ _TO_IMGCIF
        lengths = np.linalg.norm(rows, axis=1)
        if np.all(np.abs(lengths - 1.0) < _TOLERANCE) and abs(rows[0] @ rows[1]) < _TOLERANCE:
            fast, slow = (vector(unit(r) + 0.0) for r in rows)
        else:
            found.note(
                f"{where(group)}/{_DIRECTIONS} are no directions at right angles: the detector is "
                "taken as perpendicular to the beam"
            )
    place = _values(group, _PLACE, 3, found)
    if place is None or not _LEAST < -place[2] < _MOST:
        return EigerGeometry(fast, slow, None)
    return EigerGeometry(fast, slow, vector(_TO_IMGCIF @ place))


def _values(group: h5py.Group, name: str, n: int, found: Findings) -> Floats | None:
    """Return the first n numbers of a dataset; lengths without a unit are in m."""
    item = present(group, name)
    if item is None:
        return None
    try:
        values = numbers(item, "length", "m") if name == _PLACE else numbers(item, "plain")
    except FormatError as error:
        found.note(f"{error}: it is not used")
        return None
    return values[:n] if values.size >= n and np.all(np.isfinite(values[:n])) else None
