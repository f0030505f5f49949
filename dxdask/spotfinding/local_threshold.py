"""Kernels of the dispersion thresholds (Kabsch 2010; Winter et al. 2018; Parkhurst et al. 2016)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.spotfinding.windows import LARGEST, advance, reset, sum_along_row


@njit(cache=True, nogil=True, error_model="numpy")
def is_overdispersed(n: Any, x: Any, y: Any, gain: Any, sigma_background: Any) -> Any:
    """Whether n values of sum x and sum of squares y vary more than a background does.

    They do where variance / mean > gain (1 + sigma_background sqrt(2 / (n - 1))).
    """
    excess = n * y - x * x - gain * x * (n - 1.0)
    # the root of each count anew: a table of roots would keep the loop from being vectorised
    return excess > gain * x * sigma_background * np.sqrt(max(2.0 * (n - 1.0), 0.0))


@njit(cache=True, nogil=True, error_model="numpy")
def _strong_in_row(
    window: Any,
    slot: Any,
    row: Any,
    gain: Any,
    sigma_b: Any,
    sigma_s: Any,
    threshold: Any,
    min_local: Any,
    strong: Any,
) -> None:
    valid = window.valid[slot]
    span = 2 * window.half_width[0] + 1
    n0, x0, y0 = window.n_total, window.x_total, window.y_total
    n1, x1, y1 = n0[span:], x0[span:], y0[span:]
    for i in range(row.size):
        count = n1[i] - n0[i]
        n, v, x = np.float64(count), np.float64(row[i]), np.float64(x1[i] - x0[i])
        y = np.float64(y1[i] - y0[i])
        wide = is_overdispersed(n, x, y, gain, sigma_b)
        high = n * v - x > sigma_s * np.sqrt(max(gain * x * n, 0.0))
        # no branches: half the pixels would be guessed wrong
        strong[i] = valid[i] & (v > threshold) & (x >= 0.0) & (count >= min_local) & wide & high


@njit(cache=True, nogil=True, error_model="numpy")
def find_strong(
    window: Any,
    image: Any,
    mask: Any,
    lowest: Any,
    highest: Any,
    exact: Any,
    gain: Any,
    sigma_b: Any,
    sigma_s: Any,
    threshold: Any,
    min_local: Any,
    strong: Any,
) -> None:
    """Mark the strong pixels of a frame (slow, fast) by the threshold `dispersion`."""
    height, half = image.shape[0], window.half_width[1]
    reset(window)
    for r in range(height + half):
        advance(window, r, image, mask, lowest, highest, exact)
        j = r - half
        if j >= 0:
            sum_along_row(window)
            slot = j % window.values.shape[0]
            _strong_in_row(
                window,
                slot,
                image[j],
                gain,
                sigma_b,
                sigma_s,
                threshold,
                min_local,
                strong[j],
            )


@njit(cache=True, nogil=True, error_model="numpy")
def _signal_in_row(
    window: Any, slot: Any, gain: Any, sigma_b: Any, min_local: Any, signal: Any
) -> None:
    valid = window.valid[slot]
    span = 2 * window.half_width[0] + 1
    n0, x0, y0 = window.n_total, window.x_total, window.y_total
    n1, x1, y1 = n0[span:], x0[span:], y0[span:]
    for i in range(valid.size):
        count = n1[i] - n0[i]
        n, x, y = np.float64(count), np.float64(x1[i] - x0[i]), np.float64(y1[i] - y0[i])
        wide = is_overdispersed(n, x, y, gain, sigma_b)
        signal[i] = valid[i] & wide & (x >= 0.0) & (count >= min_local)


@njit(cache=True, nogil=True, error_model="numpy")
def find_signal(
    window: Any,
    image: Any,
    mask: Any,
    lowest: Any,
    highest: Any,
    exact: Any,
    gain: Any,
    sigma_b: Any,
    min_local: Any,
    signal: Any,
) -> None:
    """Mark the valid pixels (slow, fast) whose window is not all background."""
    height, half = image.shape[0], window.half_width[1]
    reset(window)
    for r in range(height + half):
        advance(window, r, image, mask, lowest, highest, exact)
        j = r - half
        if j >= 0:
            sum_along_row(window)
            slot = j % window.values.shape[0]
            _signal_in_row(window, slot, gain, sigma_b, min_local, signal[j])


@njit(cache=True, nogil=True, error_model="numpy")
def erode(signal: Any, radius: Any, column: Any, total: Any, eroded: Any) -> None:
    """Keep the signal (slow, fast) with no other pixel within `radius`, fast or slow (Chebyshev).

    What lies outside the frame is not held against a pixel. column (fast,) and total (fast + 2
    radius + 1,) int32 are workspace.
    """
    height, width = signal.shape
    span = 2 * radius + 1
    column[:] = 0
    for r in range(height + radius):
        if r < height:
            for i in range(width):
                column[i] += not signal[r, i]
        if r - span >= 0:
            for i in range(width):
                column[i] -= not signal[r - span, i]
        j = r - radius
        if j >= 0:
            _erode_row(column, radius, total, eroded[j])


@njit(cache=True, nogil=True, error_model="numpy")
def _erode_row(column: Any, radius: Any, total: Any, eroded: Any) -> None:
    sum_ = np.int32(0)
    total[: radius + 1] = 0
    inside = total[radius + 1 :]
    for i in range(column.size):
        sum_ += column[i]
        inside[i] = sum_
    inside[column.size :] = sum_
    after = total[2 * radius + 1 :]
    for i in range(column.size):
        eroded[i] = after[i] == total[i]


@njit(cache=True, nogil=True, error_model="numpy")
def find_strong_in_objects(
    image: Any,
    mask: Any,
    lowest: Any,
    highest: Any,
    objects: Any,
    half_width: Any,
    gain: Any,
    sigma_s: Any,
    threshold: Any,
    zero: Any,
    strong: Any,
) -> None:
    """Mark the pixels of `objects` that stand out from the background around them.

    The background is what is valid and in no object, in a window two pixels wider than `half_width`
    (fast, slow); few pixels are in objects, so it is summed for each of them.
    zero : of the type of the sums, int64 or float64.
    """
    height, width = image.shape
    fast, slow = half_width[0] + 2, half_width[1] + 2
    for j in range(height):
        strong[j] = False
        for i in range(width):
            if objects[j, i] and image[j, i] > threshold:
                v = np.float64(image[j, i])
                rows = max(j - slow, 0), min(j + slow + 1, height)
                columns = max(i - fast, 0), min(i + fast + 1, width)
                n, x = _background(image, mask, lowest, highest, objects, rows, columns, zero)
                mean = x / n if n >= 2 else 0.0
                strong[j, i] = x >= 0.0 and v >= mean + sigma_s * np.sqrt(gain * mean)


@njit(cache=True, nogil=True, error_model="numpy")
def _background(
    image: Any,
    mask: Any,
    lowest: Any,
    highest: Any,
    objects: Any,
    rows: Any,
    columns: Any,
    zero: Any,
) -> Any:
    """Number and sum of the valid pixels in no object; without branches, which would cost more."""
    n, x = 0, zero
    for s in range(rows[0], rows[1]):
        for f in range(columns[0], columns[1]):
            u = image[s, f]
            inside = (u >= lowest) & (u <= highest) & (u < LARGEST) & (u > -LARGEST)
            good = mask[s, f] & inside & (not objects[s, f])
            n += good
            x += u if good else zero
    return n, np.float64(x)
