"""An image blurred slightly, so that split or noisy spots are connected."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

WEIGHTS: dict[str, NDArray[np.float64]] = {
    "narrow": np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16,
    "wide": np.array(
        [
            [1.0, 4.0, 7.0, 4.0, 1.0],
            [4.0, 16.0, 26.0, 16.0, 4.0],
            [7.0, 26.0, 41.0, 26.0, 7.0],
            [4.0, 16.0, 26.0, 16.0, 4.0],
            [1.0, 4.0, 7.0, 4.0, 1.0],
        ]
    )
    / 273,
}
"""Weights (slow, fast) of the pixels around, near those of a Gaussian, as in DIALS 3.12."""


def blur(
    image: NDArray[Any], weights: NDArray[np.float64], out: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Write into `out` (slow, fast) the image (slow, fast) convolved with `weights`, and return it.

    weights : (n, n), n odd. Beyond an edge its last pixel is repeated. Terms are added row by row,
    each from left to right, for the rounding of DIALS.
    """
    _blur(image, weights, out)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _blur(image: Any, weights: Any, out: Any) -> None:
    height, width = image.shape
    half = weights.shape[0] // 2
    padded = np.empty(width + 2 * half)
    for j in range(height):
        total = out[j]
        total[:] = 0.0
        for jj in range(weights.shape[0]):
            row = image[min(max(j + jj - half, 0), height - 1)]
            padded[:half] = row[0]
            padded[half : half + width] = row
            padded[half + width :] = row[width - 1]
            if half == 1:
                _add_three(padded, weights[jj], total)
            else:
                _add_any(padded, weights[jj], total)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_three(padded: Any, weights: Any, total: Any) -> None:
    a, b, c = weights[0], weights[1], weights[2]
    for i in range(total.size):
        total[i] = ((total[i] + padded[i] * a) + padded[i + 1] * b) + padded[i + 2] * c


@njit(cache=True, nogil=True, error_model="numpy")
def _add_any(padded: Any, weights: Any, total: Any) -> None:
    for ii in range(weights.size):
        weight = weights[ii]
        for i in range(total.size):
            total[i] += padded[i + ii] * weight
