"""The rotation of a miniCBF image: its axis, start and width, from lines in many spellings."""

from __future__ import annotations

import re

from dxdask.models import Goniometer
from dxdask.models.vectors import Vector
from dxdask.storage.importers.conventions import Convention
from dxdask.storage.importers.header_goniometer import AXIS_NAMES, angle, goniometer_of
from dxdask.storage.importers.header_values import HeaderValues


def rotation_of(
    header: HeaderValues, convention: Convention
) -> tuple[Goniometer, tuple[float, float]]:
    """Return the goniometer and the oscillation (start and width, degree) of an image.

    The width may be negative. It is that of Angle_increment, or of the axis that has an increment;
    the start that of Start_angle, or of the axis that turns.
    """
    name = _scanned(header)
    width = angle(header, "Angle_increment")
    if width is None:
        width = angle(header, f"{name or 'Omega'}_increment") or 0.0
    start = angle(header, "Start_angle")
    if start is None:
        order = (name,) if name else AXIS_NAMES
        found = [v for v in (angle(header, n) for n in order if n) if v is not None]
        start = found[0] if found else 0.0
    return goniometer_of(header, convention, name, _axis(header.text("Oscillation_axis"))), (
        start,
        width,
    )


def starts_of(header: HeaderValues) -> tuple[float, ...]:
    """Return the angles of all axes, where the header does not say which of them turns."""
    if angle(header, "Start_angle") is not None or _scanned(header):
        return ()
    found = (angle(header, n) for n in AXIS_NAMES)
    return tuple(v for v in found if v is not None)


def _scanned(header: HeaderValues) -> str:
    """Return the name of the axis that turns, "" where the header does not name it."""
    words = re.findall(r"[a-z]+", header.text("Oscillation_axis", "Rotation_axis", "Axis").lower())
    named = next((n for n in AXIS_NAMES if n in words), "")
    turning = [n for n in AXIS_NAMES if angle(header, f"{n}_increment")]
    if named and (not turning or named in turning):
        return named
    return turning[0] if turning else named


def _axis(text: str) -> Vector:
    """Return the rotation axis that Oscillation_axis names.

    "X.CW" alone is the standard axis, "X.CCW" its opposite. With a direction on the detector
    ("X.CW +SLOW"), clockwise about that direction is right-handed about its opposite; fast is x and
    slow is -y.
    """
    plain = text.upper()
    sense = -1.0 if re.search(r"CCW|COUNTER|ANTI", plain) else 1.0
    found = re.search(r"([+-])\s*(SLOW|FAST)", plain)
    if found is not None:
        sign = sense if found[1] == "+" else -sense
        return (0.0, sign, 0.0) if found[2] == "SLOW" else (-sign, 0.0, 0.0)
    if re.match(r"\W*Y\b", plain):
        return (0.0, sense, 0.0)
    return (sense, 0.0, 0.0)
