"""Variance over mean of the counts in a window around each pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.analysis.images import fixed_point
from dxdask.arrays import Floats, Mask

# counts from here on are not used, so that sums of squares stay exact in 64 bits
LARGEST = 1 << 24
SCALED = 2.0**26
"""Largest floating count after scaling: 2000 squares of it are within 64 bits."""


@njit(cache=True, nogil=True, error_model="numpy")
def _add_row(image: Any, good: Any, limits: Any, row: Any, sign: Any, columns: Any) -> None:
    """Add a row of the image to the sums n, x, x^2 (3, fast) of each column, or subtract it."""
    for i in range(image.shape[1]):
        v = np.int64(image[row, i])
        if good[row, i] and limits[0] <= v <= limits[1]:
            columns[0, i] += sign
            columns[1, i] += sign * v
            columns[2, i] += sign * v * v


@njit(cache=True, nogil=True, error_model="numpy")
def _dispersion(
    image: Any,
    good: Any,
    limits: Any,
    pedestal: Any,
    half: Any,
    columns: Any,
    out: Any,
) -> None:
    height, width = image.shape
    slow, fast = half
    area = (2 * slow + 1) * (2 * fast + 1)
    for j in range(min(slow, height)):
        _add_row(image, good, limits, j, 1, columns)
    for j in range(height):
        if j + slow < height:
            _add_row(image, good, limits, j + slow, 1, columns)
        if j - slow - 1 >= 0:
            _add_row(image, good, limits, j - slow - 1, -1, columns)
        n, x, y = np.int64(0), np.int64(0), np.int64(0)
        for i in range(-fast, width):
            if i + fast < width:
                n += columns[0, i + fast]
                x += columns[1, i + fast]
                y += columns[2, i + fast]
            if i - fast - 1 >= 0:
                n -= columns[0, i - fast - 1]
                x -= columns[1, i - fast - 1]
                y -= columns[2, i - fast - 1]
            if i >= 0:
                mean = np.float64(x) / area - pedestal
                if n == area and mean > 0.0:
                    deviation = np.float64(y) - np.float64(x) * np.float64(x) / area
                    out[j, i] = deviation / (area - 1) / mean
                else:
                    out[j, i] = np.nan


def index_of_dispersion(
    image: NDArray[Any],
    good: Mask,
    trusted: tuple[int, int],
    *,
    kernel_size: tuple[int, int],
    pedestal: float = 0.0,
) -> Floats:
    """Return sample variance / mean (slow, fast) of the window around each pixel.

    Parameters
    ----------
    image : (slow, fast) counts, integers or floating. good : (slow, fast), True is good.
    trusted : smallest and largest trusted count.
    kernel_size : half width of the window along slow and fast, pixels.
    pedestal : counts without photons, subtracted from the mean.

    Returns
    -------
    (slow, fast) float64, counts per photon; NaN where a pixel of the window is not good or outside
    the image, or the mean is not above 0. Sums of counts are exact; floating counts are rounded to
    the 2^26th part of the largest.
    """
    low, high = max(trusted[0], -LARGEST + 1), min(trusted[1], LARGEST - 1)
    if image.dtype.kind != "f":
        return _exact(image, good, (low, high), kernel_size, pedestal)
    inside = np.isfinite(image) & (np.abs(image) < LARGEST)
    largest = float(np.abs(image[inside]).max(initial=1e-9))
    factor = 2.0 ** np.floor(np.log2(SCALED / largest))
    whole, used = fixed_point(image, good, (low, high), factor)
    limit = int(SCALED)
    ratios = _exact(whole, used, (-limit, limit), kernel_size, pedestal * factor)
    return np.asarray(ratios / factor)


def _exact(
    image: NDArray[Any],
    good: Mask,
    trusted: tuple[int, int],
    kernel_size: tuple[int, int],
    pedestal: float,
) -> Floats:
    """Return the ratios of integers, whose sums of squares stay within 64 bits."""
    out = np.empty(image.shape, np.float64)
    limits = np.array(trusted, np.int64)
    columns = np.zeros((3, image.shape[1]), np.int64)
    half = (int(kernel_size[0]), int(kernel_size[1]))
    image, good = np.ascontiguousarray(image), np.ascontiguousarray(good)
    _dispersion(image, good, limits, float(pedestal), half, columns, out)
    return out
