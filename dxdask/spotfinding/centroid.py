"""Centroid, size and intensity of spots from their strong pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections
from dxdask.spotfinding.extract import Pixels


@njit(cache=True, nogil=True, error_model="numpy")
def _measure(
    offsets: Any,
    x: Any,
    y: Any,
    z: Any,
    value: Any,
    centroid: Any,
    variance: Any,
    bbox: Any,
    total: Any,
    peak: Any,
    separation: Any,
) -> None:
    for s in range(offsets.size - 1):
        start, stop = offsets[s], offsets[s + 1]
        sum_, squares, top = 0.0, 0.0, start
        for i in range(start, stop):
            sum_ += value[i]
            squares += value[i] * value[i]
            if value[i] > value[top]:
                top = i
        total[s], peak[s] = sum_, value[top]
        effective = sum_ * sum_ - squares
        distance = 0.0
        for axis in range(3):
            r = x if axis == 0 else (y if axis == 1 else z)
            low, high, first = r[start], r[start], 0.0
            for i in range(start, stop):
                low, high = min(low, r[i]), max(high, r[i])
                first += value[i] * (r[i] + 0.5)
            bbox[s, 2 * axis], bbox[s, 2 * axis + 1] = low, high + 1
            c = first / sum_ if sum_ > 0.0 else 0.5 * (low + high + 1)
            second = 0.0
            for i in range(start, stop):
                second += value[i] * (r[i] + 0.5 - c) ** 2
            # 1/12 is the variance of a position somewhere within its pixel
            wide = second / effective if effective > 0.0 and sum_ > 0.0 else 0.0
            centroid[s, axis], variance[s, axis] = c, wide + 1.0 / 12.0
            distance += (r[top] + 0.5 - c) ** 2
        separation[s] = np.sqrt(distance)


def measure_spots(
    pixels: Pixels, offsets: NDArray[np.int64]
) -> tuple[Reflections, NDArray[np.float64]]:
    """Return the table of spots, and the distance (n,) of the peak from the centroid.

    The centroid is the mean of the pixels' centres r weighted by their counts p, background
    included: c = sum p r / S, S = sum p. Its variance is that of the mean of a weighted sample,
    sum p (r - c)^2 / (S^2 - sum p^2), and 1/12 for the size of a pixel (as in DIALS).

    pixels : spot by spot, in order of z, y, x. offsets : (n + 1,) first pixel of each spot.
    """
    n = offsets.size - 1
    centroid, variance = np.empty((n, 3)), np.empty((n, 3))
    bbox, total = np.empty((n, 6), np.int32), np.empty(n)
    peak, separation = np.empty(n), np.empty(n)
    _measure(
        offsets, pixels.x, pixels.y, pixels.z, pixels.value,
        centroid, variance, bbox, total, peak, separation,
    )  # fmt: skip
    table: dict[str, NDArray[Any]] = {
        "panel": pixels.panel[offsets[:-1]].astype(np.int32),
        "flags": np.full(n, Flag.STRONG, np.uint32),
        "bbox": bbox,
        "n_pixels": np.diff(offsets).astype(np.int32),
        "peak": whole_counts(peak),
        "intensity_sum": total,
        "intensity_sum_variance": np.abs(total),
    }
    for i, name in enumerate("xyz"):
        table[name] = np.ascontiguousarray(centroid[:, i])
        table[f"{name}_variance"] = np.ascontiguousarray(variance[:, i])
    return table, separation


def whole_counts(values: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return counts (n,) rounded, and clipped to the range of int32."""
    kind = np.iinfo(np.int32)
    return np.clip(np.rint(values), kind.min, kind.max).astype(np.int32)
