"""The goniometer of an image whose header names axes, and gives their angles, but no directions."""

from __future__ import annotations

from dxdask.models import Goniometer
from dxdask.models.vectors import Vector, unit, vector
from dxdask.storage.importers.conventions import Convention
from dxdask.storage.importers.header_values import HeaderValues

AXIS_NAMES = ("omega", "phi", "chi", "kappa")


def goniometer_of(
    header: HeaderValues, convention: Convention, scanned: str, axis: Vector
) -> Goniometer:
    """Return the goniometer of the convention, or one axis; `scanned` is the name of what turns."""
    axes = convention.axes
    if convention.kappa is not None:
        axes = convention.kappa.axes(header)
    if axes is not None:
        names = convention.names or tuple(f"axis_{i}" for i in range(len(axes)))
        plain = [n.lower().removeprefix("gon_") for n in names]
        return Goniometer(
            axes=tuple(vector(unit(a)) for a in axes),
            angles=tuple(angle(header, n) or 0.0 for n in plain),
            names=names,
            scan_axis=plain.index(scanned) if scanned in plain else len(axes) - 1,
        )
    if convention.axis is not None:
        axis = convention.axis
    _note_inner_axis(header, scanned)
    return Goniometer(axes=(axis,), names=(scanned or "omega",))


def angle(header: HeaderValues, key: str) -> float | None:
    """Return an angle of the header, degree; None where it has none."""
    return header.number(key, kind="angle", unit="deg")


def _note_inner_axis(header: HeaderValues, scanned: str) -> None:
    """Note where the direction of the axis depends on others, whose directions are not known."""
    outer = {"phi": ("kappa", "chi"), "kappa": ("omega",), "chi": ("omega",)}.get(scanned, ())
    turned = [n for n in outer if abs(angle(header, n) or 0.0) > 0.01]
    if turned:
        header.problems.append(
            f"a rotation about {scanned} with {turned[0]} at {angle(header, turned[0]):g} degrees, "
            "and the directions of the goniometer's axes are not in the header: give "
            "geometry.goniometer.axes, or an entry in input.conventions"
        )
