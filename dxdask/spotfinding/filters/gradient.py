"""Spots on a steep background, such as the edge of a powder ring or of a shadow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.spotfinding.shoeboxes import Surroundings

BUFFER = 1
"""Width of the border of pixels, at the edge of the widened box, to which a plane is fitted."""


def margin(background_size: int) -> int:
    """Return the number of pixels by which the box of a spot is widened for its background."""
    return background_size + BUFFER


def background_slopes(
    around: Surroundings, bbox: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the slopes (n,) of the background of spots along fast and slow, counts/px.

    The images of a spot are summed, and a plane is fitted by unweighted least squares to the
    outermost pixels of its widened box, as in dials.find_spots; so the slope grows with the number
    of images. A pixel must be good and trusted on every image (in DIALS, in the sum), and the
    spot's own box is excluded where the edge of a panel cuts the widened one. NaN where there are
    too few pixels for a plane.

    around : the boxes, widened by `margin`; one per spot. bbox : (n, 6) of the spots themselves.
    """
    slope_x, slope_y = np.empty(len(bbox)), np.empty(len(bbox))
    boxes = around.boxes
    _slopes(boxes.bbox, boxes.offsets, around.value, around.mask, bbox, slope_x, slope_y)
    return slope_x, slope_y


def is_flat(
    around: Surroundings, bbox: NDArray[np.int32], gradient_cutoff: float
) -> NDArray[np.bool_]:
    """Return True (n,) for spots without a slope above the cutoff, counts/px, along fast or slow.

    A spot whose background cannot be estimated is kept.
    """
    slope_x, slope_y = background_slopes(around, bbox)
    return ~((np.abs(slope_x) > gradient_cutoff) | (np.abs(slope_y) > gradient_cutoff))


@njit(cache=True, nogil=True, error_model="numpy")
def _slopes(
    outer: Any, offsets: Any, value: Any, mask: Any, inner: Any, slope_x: Any, slope_y: Any
) -> None:
    for b in range(outer.shape[0]):
        x0, x1, y0, y1 = outer[b, 0], outer[b, 1], outer[b, 2], outer[b, 3]
        # relative to the centre of the box, so that sums of squares stay small
        x_mid, y_mid = 0.5 * (x0 + x1 - 1), 0.5 * (y0 + y1 - 1)
        width, area, n_images = x1 - x0, (x1 - x0) * (y1 - y0), outer[b, 5] - outer[b, 4]
        n, sx, sy, sxx, sxy, syy, sv, sxv, syv = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for y in range(y0, y1):
            for x in range(x0, x1):
                on_edge = x < x0 + BUFFER or x >= x1 - BUFFER or y < y0 + BUFFER or y >= y1 - BUFFER
                in_spot = (
                    inner[b, 0] <= x and x < inner[b, 1] and inner[b, 2] <= y and y < inner[b, 3]
                )
                if in_spot or not on_edge:
                    continue
                first, ok, v = offsets[b] + (y - y0) * width + x - x0, True, 0.0
                for k in range(n_images):
                    i = first + k * area
                    ok = ok and mask[i] != 0
                    v += value[i]
                if not ok:
                    continue
                u, w = x - x_mid, y - y_mid
                n, sx, sy, sv = n + 1.0, sx + u, sy + w, sv + v
                sxx, sxy, syy = sxx + u * u, sxy + u * w, syy + w * w
                sxv, syv = sxv + u * v, syv + w * v
        slope_x[b], slope_y[b] = np.nan, np.nan
        if n < 4.0:
            continue
        cxx, cxy, cyy = sxx - sx * sx / n, sxy - sx * sy / n, syy - sy * sy / n
        cxv, cyv = sxv - sx * sv / n, syv - sy * sv / n
        determinant = cxx * cyy - cxy * cxy
        if determinant > 1e-9 * cxx * cyy:  # else all pixels lie on one line
            slope_x[b] = (cyy * cxv - cxy * cyv) / determinant
            slope_y[b] = (cxx * cyv - cxy * cxv) / determinant
