"""Kernels over the pixels of an image: coarser levels, and sums of images.

An unsigned image marks pixels without a count by the largest number of its dtype. They are left
out here, or a gap between modules would spread over its neighbours in each coarser level.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


def no_count(dtype: np.dtype[Any]) -> int | None:
    """Return the number that marks a pixel without a count, None where there is none."""
    return int(np.iinfo(dtype).max) if dtype.kind == "u" else None


def maxima(image: NDArray[Any], factor: int) -> NDArray[Any]:
    """Return the maxima (ceil(slow / factor), ceil(fast / factor)) of factor x factor pixels.

    Pixels without a count are left out; where no other is in the square, the result has none.
    """
    if factor == 1:
        return image
    slow, fast = image.shape
    out = np.zeros((-(-slow // factor), -(-fast // factor)), image.dtype)
    mark = no_count(image.dtype)
    if mark is None:
        _maxima(image, factor, out)
    else:
        _maxima_of_counts(image, factor, out)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _maxima(image: Any, factor: Any, out: Any) -> None:
    slow, fast = image.shape
    column = np.empty(fast, image.dtype)
    for i in range(out.shape[0]):
        # whole rows first: the loop has no branch, so it is compiled to vector instructions
        column[:] = image[i * factor]
        for j in range(i * factor + 1, min((i + 1) * factor, slow)):
            row = image[j]
            for k in range(fast):
                column[k] = max(column[k], row[k])
        for k in range(out.shape[1]):
            out[i, k] = column[k * factor : min((k + 1) * factor, fast)].max()


@njit(cache=True, nogil=True, error_model="numpy")
def _maxima_of_counts(image: Any, factor: Any, out: Any) -> None:
    """As `_maxima` of counts raised by one, which turns the mark, the largest, to 0."""
    slow, fast = image.shape
    one = out.dtype.type(1)
    column = np.empty(fast, image.dtype)
    for i in range(out.shape[0]):
        for k in range(fast):
            column[k] = image[i * factor, k] + one
        for j in range(i * factor + 1, min((i + 1) * factor, slow)):
            row = image[j]
            for k in range(fast):
                column[k] = max(column[k], out.dtype.type(row[k] + one))
        for k in range(out.shape[1]):
            best = column[k * factor]
            for m in range(k * factor + 1, min((k + 1) * factor, fast)):
                best = max(best, column[m])
            out[i, k] = best - one


@njit(cache=True, nogil=True, error_model="numpy")
def add_image(image: Any, mark: Any, total: Any, largest: Any, n: Any) -> None:
    """Add an image to sums (slow, fast), to maxima, and to the numbers of images with a count."""
    for j in range(image.shape[0]):
        for i in range(image.shape[1]):
            value = image[j, i]
            if value != mark:
                total[j, i] += value
                largest[j, i] = max(largest[j, i], value)
                n[j, i] += 1
