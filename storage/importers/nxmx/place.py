"""The place of a detector where the chain of its modules does not have it: the fallbacks of NXmx.

Source: the definition of NXmx: distance, beam_center_x and beam_center_y of NXdetector, "used only
when NXtransformations are not used"; a detector before the sample is reflected as dxtbx does it.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.models import Detector, Panel
from dxdask.models.vectors import vector
from dxdask.storage.importers.nxmx.axes import axis_chain, follow, transformation
from dxdask.storage.importers.nxmx.eiger_geometry import eiger_geometry
from dxdask.storage.importers.nxmx.fields import (
    Findings,
    first_number,
    numbers,
    present,
    text,
    where,
)

_BEAM = np.array([0.0, 0.0, -1.0])  # in the frame of imgCIF
_DISTANCES = ("distance", "detector_distance")
_NEAR = 1e-3  # mm
_FACING = 0.99  # cosine of the angle between the normal and the beam, as in dxtbx


def placed(detector: Detector, group: h5py.Group, found: Findings) -> Detector:
    """Return the detector behind the sample, by the fallbacks where its chain ends before that."""
    if any(m.value == "origin" for m in found.missing):
        return detector
    if max(p.distance for p in detector.panels) < _NEAR:
        detector = _at_distance(detector, group, found)
    if _is_at_corner(detector):
        detector = _at_centre(detector, group, found)
    return _behind_sample(detector, group, found)


def flat_panel(
    group: h5py.Group, frame_shape: tuple[int, int], common: dict[str, Any], found: Findings
) -> Panel:
    """Return the panel of a file without modules: distance, beam centre and pixel size.

    The group `geometry` of an EIGER master has the directions of its rows and columns, and its
    place where distance or beam centre are missing.
    """
    sizes = []
    for name in ("x_pixel_size", "y_pixel_size"):
        value = _number(group, (name,), "pixel_size", found)
        if value is None or not 0.0 < value < 1e6:
            found.lacks("pixel_size", f"{group.file.filename}: {_lack(group)} {name}")
            value = 0.1
        sizes.append(value)
    place = eiger_geometry(group, found)
    centre = _centre(group, (sizes[0], sizes[1]), found)
    distance = _number(group, _DISTANCES, "distance", found)
    if place.origin is not None and (not distance or centre in (None, (0.0, 0.0))):
        found.note(f"{where(group)}: the place of the detector is that of its group geometry")
        origin = np.asarray(place.origin)
    else:
        if centre is None:
            lacks = f"{group.file.filename}: {_lack(group)} beam_center_x, beam_center_y"
            found.lacks("beam_centre", lacks)
        if not distance:
            found.lacks("distance", f"{group.file.filename}: {_lack(group)} distance")
        across = np.asarray(centre or (0.0, 0.0)) * sizes @ np.array([place.fast, place.slow])
        origin = abs(distance or 100.0) * _BEAM - across
    return Panel(
        name=str(group.name),
        origin=vector(origin + 0.0),
        fast_axis=place.fast,
        slow_axis=place.slow,
        pixel_size=(sizes[0], sizes[1]),
        image_size=(frame_shape[1], frame_shape[0]),
        **common,
    )


def _lack(group: h5py.Group) -> str:
    return f"{group.name} has no NXdetector_module and lacks"


def _number(group: h5py.Group, names: tuple[str, ...], value: Any, found: Findings) -> float | None:
    """Return a length, mm; one that cannot be read is missing."""
    try:
        return first_number(group, names, "length", "m")
    except FormatError as error:
        found.lacks(value, error)
        return None


def _at_distance(detector: Detector, group: h5py.Group, found: Findings) -> Detector:
    """Return a detector whose chain ends at the sample where its group says that it is."""
    depends_on = present(group, "depends_on")
    try:
        start = follow(group, text(depends_on)) if depends_on is not None else None
        carried = transformation(axis_chain(start)) if start is not None else np.eye(4)
    except FormatError as error:
        found.note(f"{error}: the distance of the detector's group is used")
        carried = np.eye(4)
    moved = _carried(detector, carried)
    if max(p.distance for p in moved.panels) >= _NEAR:
        found.note(
            f"{where(group)}: its modules depend on nothing; they are placed by its depends_on"
        )
        return moved
    distance = _number(group, _DISTANCES, "distance", found)
    if distance is None or abs(distance) < _NEAR:
        found.lacks("distance", f"{where(group)}: its modules have no distance, nor has the group")
        return moved
    found.note(
        f"{where(group)}: its modules have no distance in their chain; that of the group is used, "
        f"{abs(distance):.6g} mm"
    )
    return _shifted(moved, _BEAM * abs(distance))


def _carried(detector: Detector, matrix: Floats) -> Detector:
    panels = tuple(p.moved(matrix[:3, :3], matrix[:3, 3]) for p in detector.panels)
    return Detector(panels=panels, root=detector.root.shifted(matrix[:3, 3]))


def _shifted(detector: Detector, shift: Floats) -> Detector:
    panels = tuple(p.moved(np.eye(3), shift) for p in detector.panels)
    return Detector(panels=panels, root=detector.root.shifted(shift))


def _is_at_corner(detector: Detector) -> bool:
    """Return True where the beam meets the corner of the first pixel, and no panel lies before."""
    first = min(detector.panels, key=lambda p: (p.offset[1], p.offset[0]))
    across = np.asarray(first.origin) - (first.origin @ _BEAM) * _BEAM
    if float(np.linalg.norm(across)) > _NEAR:
        return False
    axes = np.asarray(first.axes[:2])
    steps = [axes @ (np.asarray(p.origin) - np.asarray(first.origin)) for p in detector.panels]
    return bool(np.min(steps) > -_NEAR)


def _at_centre(detector: Detector, group: h5py.Group, found: Findings) -> Detector:
    """Return a detector whose chain ends on the beam shifted to its beam centre."""
    first = min(detector.panels, key=lambda p: (p.offset[1], p.offset[0]))
    centre = _centre(group, first.pixel_size, found)
    if centre is None or centre == (0.0, 0.0):
        return detector
    found.note(
        f"{where(group)}: its modules have no place across the beam; its beam centre is used, "
        f"{centre[0]:.6g}, {centre[1]:.6g} pixels"
    )
    mm = (np.asarray(centre) - np.asarray(first.offset)) * np.asarray(first.pixel_size)
    return _shifted(detector, -(first.d_matrix[:, :2] @ mm))


def _centre(
    group: h5py.Group, pixel: tuple[float, float], found: Findings
) -> tuple[float, float] | None:
    """Return the beam centre (fast, slow), pixels; the file may have it as lengths."""
    out = []
    for name, size in zip(("beam_center_x", "beam_center_y"), pixel, strict=True):
        item = present(group, name)
        if item is None:
            return None
        try:
            try:
                values = numbers(item, "pixels")
            except FormatError:
                values = numbers(item, "length") / size
        except FormatError as error:
            found.lacks("beam_centre", error)
            return None
        if not np.abs(values[0]) < 1e7:
            return None
        out.append(float(values[0]))
    return out[0], out[1]


def _behind_sample(detector: Detector, group: h5py.Group, found: Findings) -> Detector:
    """Return a detector that faces the beam, and is before the sample, reflected behind it."""
    depths = [float(np.asarray(p.origin) @ _BEAM) for p in detector.panels]
    facing = [abs(float(p.normal @ _BEAM)) > _FACING for p in detector.panels]
    if not all(facing) or not max(depths) < -_NEAR:
        return detector
    found.note(
        f"{where(group)} is {-depths[0]:.6g} mm before the sample; its distance is taken as behind "
        "it: give geometry.detector.panel.origin where that is wrong"
    )
    return _shifted(detector, -2.0 * depths[0] * _BEAM)
