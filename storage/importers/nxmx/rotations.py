"""Rotations of an NXmx file: axes with their angles, and the width of each image."""

from __future__ import annotations

from dataclasses import dataclass

import h5py
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.storage.importers.nxmx.axes import Axis
from dxdask.storage.importers.nxmx.fields import Findings, attribute, numbers, present

STILL = 0.02
"""Noise of an axis that stands, degree."""
_DRIFT = 1e-3  # degree: of one that creeps one way


@dataclass(frozen=True, slots=True)
class Rotation:
    """An axis that rotates the sample, and the width of its images.

    widths : of each image (n,) or of all (1,), degree; None where the file has none.
    """

    axis: Axis
    widths: Floats | None

    @property
    def span(self) -> float:
        """Range of the angles, degree."""
        return float(np.ptp(self.axis.values))

    @property
    def moves(self) -> bool:
        """True if the angles change by more than those of an axis at rest."""
        steps = np.diff(self.axis.values)
        if not steps.size or not np.any(steps):
            return False
        one_way = bool(np.all(steps >= 0.0) or np.all(steps <= 0.0))
        return self.span > (_DRIFT if one_way else STILL)

    @property
    def is_wide(self) -> bool:
        """True if the file states that an image rotates."""
        return self.widths is not None and bool(np.any(np.abs(self.widths) > 1e-9))


def rotations_of(sample: h5py.Group, chain: list[Axis], found: Findings) -> list[Rotation]:
    """Return the rotations in a chain of axes, in its order."""
    out = []
    for axis in chain:
        if axis.is_rotation:
            folder, name = axis.path.rsplit("/", 1)
            group = sample.file.get(folder or "/")
            out.append(Rotation(axis, known_widths(group, name, found, axis)))
    return out


def known_widths(
    group: h5py.Group, name: str, found: Findings, axis: Axis | None = None
) -> Floats | None:
    """Return the widths; where they cannot be read, the angles alone have to do."""
    try:
        return _widths(group, name, axis)
    except FormatError as error:
        found.note(f"{error}: the widths of images are those of the angles")
        return None


def _widths(group: h5py.Group, name: str, axis: Axis | None = None) -> Floats | None:
    """Return the rotation during each image (n,), or during all (1,), degree; None if not known."""
    starts = None if axis is None else axis.values
    item = present(group, name)
    default = "deg" if item is None else attribute(item, "units", "deg")
    if starts is None and item is not None:
        starts = numbers(item, "angle", "deg")
    end = present(group, f"{name}_end")
    if end is not None and starts is not None:
        ends = numbers(end, "angle", default)
        if ends.size == starts.size and np.any(np.abs(ends - starts) > 1e-9):
            turned = ends - starts
            return turned - 360.0 * np.round(turned / 360.0) * (np.abs(turned) > 180.0)
    for suffix in ("_increment_set", "_increment", "_range_average"):
        found = present(group, name + suffix)
        if found is not None:
            values = numbers(found, "angle", default)
            if np.all(np.isfinite(values)) and np.any(values != 0.0):
                return values
    return None
