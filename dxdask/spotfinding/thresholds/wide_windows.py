"""Sums over windows of a segment of a row, computed again in 64 bits.

For counts too bright for the 32 bits of `windows`, and for real numbers: computed again for each
row, so that rounding errors by a bright pixel do not remain after it.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from dxdask.spotfinding.thresholds.windows import sum_along_row


@njit(cache=True, nogil=True, error_model="numpy")
def sum_segment(window: Any, j: Any, start: Any, stop: Any) -> Any:
    """Return sum and sum of squares of the windows around columns start <= i < stop of row j.

    They lie in `x_wide` and `y_wide`, after the sums of the columns.
    """
    half, slow = window.half_width
    height, width, n_rows = window.signal.shape[0], window.n.size, window.bits.shape[0]
    length = stop - start + 2 * half
    x, y = window.x_wide[0, :length], window.y_wide[0, :length]
    x[:], y[:] = 0, 0
    first, end = max(start - half, 0), min(stop + half, width)
    skip = first - (start - half)  # columns left of the frame
    for r in range(max(j - slow, 0), min(j + slow + 1, height)):
        _add(window.values[r % n_rows, first:end], x[skip:], y[skip:])
    x_sums, y_sums = window.x_wide[1, : stop - start], window.y_wide[1, : stop - start]
    sum_along_row(x, 2 * half + 1, window.wide_spare, x_sums)
    sum_along_row(y, 2 * half + 1, window.wide_spare, y_sums)
    return x_sums, y_sums


@njit(cache=True, nogil=True, error_model="numpy")
def _add(values: Any, x: Any, y: Any) -> None:
    for i in range(values.size):
        v = x.dtype.type(values[i])
        x[i] += v
        y[i] += v * v
