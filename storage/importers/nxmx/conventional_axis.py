"""Rotation axes of masters that do not say about what the sample rotates, by detector."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from dxdask.arrays import Floats
from dxdask.storage.importers.conventions import Convention, convention_of
from dxdask.storage.importers.header_values import HeaderValues
from dxdask.storage.importers.nxmx.axes import TO_IMGCIF, Axis
from dxdask.storage.importers.nxmx.fields import Findings, present, text

_KEYS = ("detector_number", "description", "local_name")
_DEFAULT = (1.0, 0.0, 0.0)


class ConventionalAxis:
    """The rotation axis that the conventions of a detector and its beamline have.

    Conventions match `detector_number`, `description` and `local_name` of the detector; with `axis`
    they give the axis that is not in the file, with `reverse_axis` they turn round the one that the
    file has, or the default one.

    detector : of the frames. own : path of the user's conventions.
    """

    def __init__(self, detector: h5py.Group, own: Path | None) -> None:
        values = {}
        for key in _KEYS:
            item = present(detector, key)
            if isinstance(item, h5py.Dataset) and item.dtype.kind in "SO" and item.size == 1:
                values[key] = text(item)
        header = HeaderValues(path=Path(detector.file.filename), values=values)
        self._found: Convention = convention_of("nxmx", header, None, own)

    @property
    def axis(self) -> Floats:
        """The axis where the file has none, in the frame of NeXus."""
        along = TO_IMGCIF @ np.asarray(self._found.axis or _DEFAULT)
        return np.asarray(-along if self._found.reverse_axis else along)

    def of_file(self, axis: Axis, found: Findings) -> Axis:
        """Return an axis that a file without depends_on has, turned round where it is to be."""
        if not self._found.reverse_axis:
            return axis
        found.note(
            f"{axis.path}: the rotation is about the opposite direction, by the conventions of "
            "this detector; give geometry.goniometer.axes where that is wrong"
        )
        return replace(axis, vector=-axis.vector)
