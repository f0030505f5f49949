"""Sizes of the spots of a still on the detector, against those predicted."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Reflections
from dxdask.integration.photons import ScaledPixels, photons_of_pixel
from dxdask.integration.stills.panel_shifts import rows_of
from dxdask.prediction.rays import PanelArrays
from dxdask.prediction.stills.predict_still import Predictions

BORDER = 2
"""Width, px, of the border of background around the box of a spot; its counts extend into it."""
MIN_PHOTONS = 100.0
"""Least photons of a spot whose extent is measured."""
MIN_SPOTS = 5


class SeenSpots(NamedTuple):
    """Spots (n,) of a still: hkl (n, 3), and extents (n,), px^2, NaN where not known."""

    hkl: NDArray[np.int32]
    extents: Floats


@njit(cache=True, nogil=True, error_model="numpy")
def _extents(
    frame: Any, mask: Any, panel: Any, bbox: Any, panels: Any, pixels: Any, most: int, out: Any
) -> None:
    """Fill out (n,) with (xx + yy) / 2 of the photons in each box (n, 4) x0 x1 y0 y1; NaN if faint.

    most : pixels of the largest box with its border.
    """
    ring = np.empty(most)
    for k in range(len(panel)):
        out[k] = np.nan
        p = panel[k]
        x0, x1 = max(bbox[k, 0] - BORDER, 0), min(bbox[k, 1] + BORDER, panels.image_size[p, 0])
        y0, y1 = max(bbox[k, 2] - BORDER, 0), min(bbox[k, 3] + BORDER, panels.image_size[p, 1])
        n, total, mx, my, good = 0, 0.0, 0.0, 0.0, True
        for j in range(y0, y1):
            for i in range(x0, x1):
                at_y, at_x = panels.offset[p, 1] + j, panels.offset[p, 0] + i
                good &= mask[at_y, at_x]
                if j in (y0, y1 - 1) or i in (x0, x1 - 1):
                    ring[n] = photons_of_pixel(np.float64(frame[at_y, at_x]), p, at_y, at_x, pixels)
                    n += 1
        if not good or n == 0:
            continue
        level = np.median(ring[:n])
        for j in range(y0 + 1, y1 - 1):
            for i in range(x0 + 1, x1 - 1):
                at_y, at_x = panels.offset[p, 1] + j, panels.offset[p, 0] + i
                c = photons_of_pixel(np.float64(frame[at_y, at_x]), p, at_y, at_x, pixels) - level
                total, mx, my = total + c, mx + c * (i + 0.5), my + c * (j + 0.5)
        if not total > MIN_PHOTONS:
            continue
        mx, my, square = mx / total, my / total, 0.0
        for j in range(y0 + 1, y1 - 1):
            for i in range(x0 + 1, x1 - 1):
                at_y, at_x = panels.offset[p, 1] + j, panels.offset[p, 0] + i
                c = photons_of_pixel(np.float64(frame[at_y, at_x]), p, at_y, at_x, pixels) - level
                square += c * ((i + 0.5 - mx) ** 2 + (j + 0.5 - my) ** 2)
        out[k] = max(0.5 * square / total, 1.0 / 12.0)


def extents(
    frame: NDArray[Any],
    mask: NDArray[np.bool_],
    spots: Reflections,
    panels: PanelArrays,
    pixels: ScaledPixels,
) -> Floats:
    """Return the mean variance (n,) along x and y of the counts of spots, px^2.

    NaN of spots that are faint or touch a bad pixel, and of all that have no `bbox`.

    frame : (slow, fast). mask : (slow, fast), True is good. spots : panel and bbox. pixels : gain
    and pedestal.
    """
    out = np.full(len(spots["panel"]), np.nan)
    if "bbox" not in spots or len(out) == 0:
        return out
    bbox = spots["bbox"]
    sides = [bbox[:, i + 1] - bbox[:, i] + 2 * BORDER for i in (0, 2)]
    most = int((sides[0].astype(np.int64) * sides[1]).max())
    _extents(frame, mask, spots["panel"], bbox, panels, pixels, most, out)
    return out


def sharpness(found: Predictions, hkl: NDArray[np.int32], seen: Floats) -> float:
    """Return the factor, at most 1, from the predicted covariance to that of the spots.

    Lattice points may be spread for several reasons. Small blocks spread them in all directions,
    which makes large spots. If the spots are small, the spread is along the excitation error only
    (cracked crystals, convergent beams), and ellipses for large spots would overlap.

    found : predictions of the still. hkl : (n, 3) and seen : (n,) px^2, see `extents`, of spots.
    """
    rows = rows_of(found.hkl, hkl)
    used = (rows >= 0) & np.isfinite(seen)
    if used.sum() < MIN_SPOTS:
        return 1.0
    predicted = 0.5 * (found.covariance[rows[used], 0] + found.covariance[rows[used], 2])
    return float(min(1.0, np.median(seen[used]) / max(np.median(predicted), 1e-9)))
