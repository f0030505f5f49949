"""Regions of a panel: its border, circles, rectangles, polygons, pixels.

The pixels of each are those of dials.generate_mask (dxtbx, ``masking/masking.h``): circles use the
index of a pixel, polygons its centre; the far sides of rectangles are not included.
"""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Mask
from dxdask.errors import InputError
from dxdask.masking.parameters import UntrustedParameters
from dxdask.models import Panel


def border(shape: tuple[int, int], width: int) -> Mask:
    """Return the pixels (slow, fast) within `width` pixels of an edge."""
    found = np.ones(shape, np.bool_)
    found[width : max(width, shape[0] - width), width : max(width, shape[1] - width)] = False
    return found


def untrusted(panel: Panel, index: int, regions: tuple[UntrustedParameters, ...]) -> Mask:
    """Return the pixels (slow, fast) of panel number `index` that are in a region.

    Raises
    ------
    InputError
        A region is outside the panel, or extends outside where its shape must not.
    """
    width, height = panel.image_size
    found = np.zeros((height, width), np.bool_)
    for region in regions:
        if (region.panel or 0) == index:
            _add(found, region, f"panel {index}")
    return found


def check_panels(regions: tuple[UntrustedParameters, ...], n_panels: int) -> None:
    """Check that the panels of all regions exist.

    Raises
    ------
    InputError
        A panel does not exist.
    """
    for region in regions:
        if (region.panel or 0) >= n_panels:
            raise InputError(
                f"untrusted.panel={region.panel}: the detector has panels 0 to {n_panels - 1}"
            )


def _add(found: Mask, region: UntrustedParameters, where: str) -> None:
    """Mark the pixels of one region."""
    if not region.has_shape:
        found[:] = True
    if region.circle is not None:
        found |= _circle(found.shape, region.circle, where)
    if region.rectangle is not None:
        x0, x1, y0, y1 = region.rectangle
        if x0 < 0 or y0 < 0 or x1 > found.shape[1] or y1 > found.shape[0]:
            raise _outside("rectangle", region.rectangle, where, found.shape)
        found[y0:y1, x0:x1] = True
    if region.polygon is not None:
        found |= _polygon(found.shape, region.polygon, where)
    if region.pixel is not None:
        slow, fast = region.pixel
        if slow >= found.shape[0] or fast >= found.shape[1]:
            raise _outside("pixel", region.pixel, where, found.shape)
        found[slow, fast] = True


def _circle(shape: tuple[int, ...], circle: tuple[int, int, int], where: str) -> Mask:
    x, y, radius = circle
    fast, slow = np.arange(shape[1]) - x, np.arange(shape[0]) - y
    inside = np.asarray(slow[:, None] ** 2 + fast**2 < radius**2)
    if not inside.any():
        raise _outside("circle", circle, where, shape)
    return inside


def _polygon(shape: tuple[int, ...], polygon: tuple[int, ...], where: str) -> Mask:
    """Return the pixels whose centres have an odd number of sides to their left (even-odd rule)."""
    corners = np.reshape(np.asarray(polygon, np.float64), (-1, 2))
    if (corners.min(axis=0) >= (shape[1], shape[0])).any():
        raise _outside("polygon", polygon, where, shape)
    fast = np.arange(shape[1]) + 0.5
    inside = np.zeros(shape, np.bool_)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, 1, axis=0), strict=True):
        # centres lie half way between whole numbers, so no corner is level with one
        first, last = sorted((int(y0), int(y1)))
        rows = np.arange(min(first, shape[0]), min(last, shape[0]))
        if rows.size:
            crossing = (x1 - x0) * (rows + 0.5 - y0) / (y1 - y0) + x0
            inside[rows] ^= fast < crossing[:, None]
    return inside


def _outside(shape: str, given: tuple[int, ...], where: str, size: tuple[int, ...]) -> InputError:
    numbers = ",".join(map(str, given))
    return InputError(
        f"untrusted.{shape}={numbers} is outside {where}, which is {size[1]} x {size[0]} pixels "
        "(fast x slow); give one that is on it"
    )
