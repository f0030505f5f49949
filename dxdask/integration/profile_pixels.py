"""Loops over the pixels of strong reflections on one frame, onto the grid of their profile."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.integration.foreground import phi_term, xy_term
from dxdask.integration.gaussian import grid_map
from dxdask.integration.photons import photons_of_pixel

COUNTS, EXPECTED, GAUSSIAN = range(3)  # what the grid sums, see `ProfileSums`
UNIT = 4096  # of counts above background, and of densities
_LEAST_COUNTS, _LEAST_I_OVER_SIGMA = 200.0, 10.0  # of a reflection on a frame
# from which a reflection weighs less: shapes of spots differ by more than their errors
_STRONGEST = 1000.0
_BINS = 256  # photons of the background, beyond which pixels are not part of it


@njit(cache=True, nogil=True, error_model="numpy")
def _photons(frame: Any, panel: int, y: int, x: int, pixels: Any) -> float:
    if pixels is None:
        return float(frame[y, x])
    return float(photons_of_pixel(np.float64(frame[y, x]), panel, y, x, pixels))


@njit(cache=True, nogil=True, error_model="numpy")
def _background(frame: Any, mask: Any, limits: Any, pixels: Any, panel: int, box: Any, inner: Any,
                bins: Any) -> Any:  # fmt: skip
    """Return the mean photons of the pixels of a box off the foreground, without the brightest.

    Those above the median by three standard deviations are left out. NaN for too few.
    """
    bins[:] = 0
    low, high, n = limits[0], limits[1], 0
    for y in range(box[2], box[3]):
        for x in range(box[0], box[1]):
            if inner[0] <= x < inner[1] and inner[2] <= y < inner[3]:
                continue
            count = frame[y, x]
            if mask[y, x] and low < count < high:
                v = int(_photons(frame, panel, y, x, pixels) + 0.5)
                bins[min(max(v, 0), _BINS - 1)] += 1
                n += 1
    if n < 10:
        return np.nan
    seen, median = 0, 0
    while 2 * seen < n:
        seen += bins[median]
        median += 1
    most = median - 1 + 3.0 * np.sqrt(median) + 1.0
    total, kept = 0, 0
    for v in range(_BINS - 1):
        if v <= most:
            total += v * bins[v]
            kept += bins[v]
    return total / kept if 2 * kept > n else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _all_photons(
    frame: Any, mask: Any, limits: Any, pixels: Any, panel: int, inner: Any, out: Any
) -> Any:
    """Fill `out` with the photons of the pixels of a rectangle; return their sum, or NaN."""
    total, at = 0.0, 0
    low, high = limits[0], limits[1]
    for y in range(inner[2], inner[3]):
        for x in range(inner[0], inner[1]):
            count = frame[y, x]
            if not (mask[y, x] and low < count < high):
                return np.nan
            out[at] = _photons(frame, panel, y, x, pixels)
            total += out[at]
            at += 1
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def add_strong(
    frame: Any, mask: Any, trusted: Any, pixels: Any, phi: Any, rows: Any, e: Any, stretch: Any,
    region: Any, half: float, halves: Any, stretches: Any,
) -> int:  # fmt: skip
    """Add the strong ones of `rows` on one frame to the sums; return how many they are.

    Arguments as of `sum_profiles`; halves, stretches: of `ProfileSums`.
    """
    bins = np.zeros(_BINS, dtype=np.int64)
    photons, inside = np.empty(1024), np.empty(1024, dtype=np.bool_)
    used = 0
    for r in rows:
        inner, edge, box = e.inner[r], e.panel[r], e.box[r].copy()
        whole = inner[0] >= edge[0] and inner[1] <= edge[1]
        whole = whole and inner[2] >= edge[2] and inner[3] <= edge[3]
        if not whole or phi_term(e, r, phi) > 1.0:
            continue
        panel, width = e.panel_number[r], inner[1] - inner[0]
        area = width * (inner[3] - inner[2])
        if area > len(photons):
            photons, inside = np.empty(2 * area), np.empty(2 * area, dtype=np.bool_)
        total = _all_photons(frame, mask, trusted[panel], pixels, panel, inner, photons)
        if not total >= _LEAST_COUNTS:
            continue
        box[0], box[1] = max(box[0], edge[0]), min(box[1], edge[1])
        box[2], box[3] = max(box[2], edge[2]), min(box[3], edge[3])
        b = _background(frame, mask, trusted[panel], pixels, panel, box, inner, bins)
        total, n = 0.0, 0
        for at in range(area):
            x, y = inner[0] + at % width, inner[2] + at // width
            inside[at] = xy_term(e, r, x, y) <= 1.0
            if inside[at]:
                total += photons[at] - b
                n += 1
        if not (total > _LEAST_COUNTS and total > _LEAST_I_OVER_SIGMA * np.sqrt(total + n * b)):
            continue
        p, half_sums = e.profile, halves[r % 2, stretch[r]]
        into = stretches[stretch[r], region[r]]
        xx, xy, yy = p.inverse[r, 0], p.inverse[r, 1], p.inverse[r, 2]
        root, size = np.sqrt(xx * yy - xy * xy), into.shape[1]
        m00, m01, m10, m11 = grid_map(p, r, half, size)
        place = 0.5 * (size - 1) + 0.5
        weight = UNIT / (1.0 + total / _STRONGEST)
        expected = np.int64(np.rint(weight * total * root))
        for at in range(area):
            if not inside[at]:
                continue
            dx = inner[0] + at % width + 0.5 - p.centre[r, 0]
            dy = inner[2] + at // width + 0.5 - p.centre[r, 1]
            m = int(np.floor(m00 * dx + m01 * dy + place))
            k = int(np.floor(m10 * dx + m11 * dy + place))
            if not (0 <= k < size and 0 <= m < size):
                continue
            distance = xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy
            by_gaussian = total * root * np.exp(-0.5 * distance) / (2.0 * np.pi)
            for to in (half_sums, into):
                to[COUNTS, k, m] += np.int64(np.rint(weight * (photons[at] - b)))
                to[EXPECTED, k, m] += expected
                to[GAUSSIAN, k, m] += np.int64(np.rint(weight * by_gaussian))
        used += 1
    return used
