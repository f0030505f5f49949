"""Detectors whose rows of modules lie on a cylinder about the spindle: I23's PILATUS 12M."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from dxdask.errors import FormatError
from dxdask.models import Detector, Group, Panel
from dxdask.models.vectors import unit, vector
from dxdask.storage.importers.conventions import Barrel, Convention

# Pixels along fast of a Pilatus module and of the gap to the next.
_MODULE, _GAP = 487, 7


def barrel_detector(
    flat: Panel,
    convention: Convention,
    distance: float,
    centre: tuple[float, float],
    when: float | None,
    path: Path,
) -> Detector:
    """Return one panel a row, with the sensor of `flat`; geometry of FormatCBFMiniPilatusDLS12M.

    distance : of the axis of the cylinder from the spindle, mm. centre : of the beam, px, in the
    frame of all rows. when : s since 1970, decides on the modules that were bad.

    Raises
    ------
    FormatError
        The image is not of the size that the rows have.
    """
    barrel = convention.barrel
    if barrel is None:
        raise FormatError(f"{path}: the convention has no barrel")
    pitch = barrel.row_pixels + barrel.row_gap
    size = (barrel.columns, barrel.rows * pitch - barrel.row_gap)
    if flat.image_size != size:
        raise FormatError(
            f"{path} has {flat.image_size} pixels (fast, slow), and {size} are those of its "
            "detector; give its geometry as input.reference_geometry"
        )
    fast, slow = unit(barrel.fast_axis), unit(barrel.slow_axis)
    shift = (np.asarray(barrel.beam_centre) - centre) * flat.pixel_size
    origin = np.array([0.0, 0.0, -distance]) + shift[0] * fast + shift[1] * slow
    frame = np.column_stack([fast, slow, np.cross(fast, slow)])
    panels = tuple(_row(barrel, flat, j, j * pitch, frame, origin) for j in range(barrel.rows))
    for period in convention.bad_pixels or ():
        if when is not None and period.holds(when):
            panels = _masked(panels, period.rectangles, path)
    root = Group(
        origin=vector(origin + 0.0), fast_axis=vector(fast + 0.0), slow_axis=vector(slow + 0.0)
    )
    return Detector(panels=panels, root=root)


def _row(
    barrel: Barrel, flat: Panel, j: int, first: int, frame: np.ndarray, origin: np.ndarray
) -> Panel:
    angle = np.deg2rad(barrel.first_angle + j * barrel.angle_step)
    along = np.array([0.0, np.sin(angle), np.cos(angle)])
    normal = np.cross([1.0, 0.0, 0.0], along)
    corner = barrel.radius * normal - barrel.shift_slow * along - [barrel.shift_fast, 0.0, 0.0]
    gaps = range(_MODULE, barrel.columns, _MODULE + _GAP)
    return replace(
        flat,
        name=f"row-{j:02d}",
        origin=vector(frame @ corner + origin),
        fast_axis=vector(frame[:, 0] + 0.0),
        slow_axis=vector(frame @ along + 0.0),
        image_size=(barrel.columns, barrel.row_pixels),
        offset=(0, first),
        mask=tuple((x, 0, x + _GAP, barrel.row_pixels) for x in gaps),
    )


def _masked(
    panels: tuple[Panel, ...], rectangles: tuple[tuple[int, int, int, int, int], ...], path: Path
) -> tuple[Panel, ...]:
    out = list(panels)
    for index, *rectangle in rectangles:
        if not 0 <= index < len(out):
            raise FormatError(f"{path}: bad_pixels of its convention name panel {index}")
        x0, y0, x1, y1 = rectangle
        out[index] = replace(out[index], mask=(*out[index].mask, (x0, y0, x1, y1)))
    return tuple(out)
