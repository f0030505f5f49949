"""Sums over the frames of a dark run, exact in integers.

A frame's common mode is subtracted as the level of its panel in that frame, in sixteenths of an
ADU, so that sums are integers and depend neither on blocks nor on their order. The contribution of
a frame can be subtracted again: outliers, known after all frames, need no second pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.errors import InputError

SCALE = 16
"""Levels are in units of 1 / SCALE ADU."""

_LOW = -(1 << 16)
_BINS = 1 << 18


class DarkSums(NamedTuple):
    """Sums over dark frames; r is the count of a pixel, q its panel's level in that frame.

    Attributes
    ----------
    total : (slow, fast) int64, sum of r.
    squares : (slow, fast) int64, sum of r^2.
    residual_squares : (slow, fast) int64, sum of (SCALE r - q)^2.
    frames : (n,) int64, the frames summed, in order.
    levels : (n, panel) int64, q of each: SCALE times the mean of all pixels except outliers, ADU.
    spreads : (n, panel) float64, standard deviation of those pixels about it, ADU.
    """

    total: NDArray[np.int64]
    squares: NDArray[np.int64]
    residual_squares: NDArray[np.int64]
    frames: NDArray[np.int64]
    levels: NDArray[np.int64]
    spreads: NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def _quantile(histogram, rank):  # type: ignore[no-untyped-def]
    """Return the bin of the item of this rank."""
    seen = 0
    for i in range(len(histogram)):
        seen += histogram[i]
        if seen > rank:
            return i
    return len(histogram) - 1


@njit(cache=True, nogil=True, error_model="numpy")
def _level(panel, histogram):  # type: ignore[no-untyped-def]
    """Return level (1 / SCALE ADU) and spread (ADU) of a panel; `histogram` is cleared."""
    slow, fast = panel.shape
    top = len(histogram) - 1
    for y in range(slow):
        for x in range(fast):
            histogram[min(max(np.int64(panel[y, x]) - _LOW, 0), top)] += 1
    n = slow * fast
    middle = _quantile(histogram, n // 2) + _LOW
    quarters = _quantile(histogram, (3 * n) // 4) - _quantile(histogram, n // 4)
    # five standard deviations of a Gaussian with these quartiles
    half = max(3, int(3.7 * quarters))
    count, first, second = 0, 0, 0
    for y in range(slow):
        for x in range(fast):
            value = np.int64(panel[y, x])
            histogram[min(max(value - _LOW, 0), top)] = 0
            off = value - middle
            if -half <= off <= half:
                count += 1
                first += off
                second += off * off
    level = SCALE * middle + (2 * SCALE * first + count) // (2 * count)
    mean = first / count
    return level, np.sqrt(max(0.0, second / count - mean * mean))


@njit(cache=True, nogil=True, error_model="numpy")
def _add(frame, boxes, histogram, levels, spreads, total, squares, residual_squares):  # type: ignore[no-untyped-def]
    for p in range(len(boxes)):
        x0, x1, y0, y1 = boxes[p]
        level, spread = _level(frame[y0:y1, x0:x1], histogram)
        levels[p], spreads[p] = level, spread
        for y in range(y0, y1):
            for x in range(x0, x1):
                value = np.int64(frame[y, x])
                off = SCALE * value - level
                total[y, x] += value
                squares[y, x] += value * value
                residual_squares[y, x] += off * off


def dark_sums(frames: NDArray[Any], boxes: NDArray[np.int64], numbers: Sequence[int]) -> DarkSums:
    """Return the sums over dark frames.

    frames : (n, slow, fast) integers as recorded. boxes : (panel, 4) x0, x1, y0, y1 of each panel
    in the frame, half open. numbers : (n,) of the frames in the run, from 0.

    Raises
    ------
    InputError
        The frames are not integers.
    """
    if not np.issubdtype(frames.dtype, np.integer):
        raise InputError(
            f"frames of a dark run are integers as recorded; these are {frames.dtype}: give the "
            "raw run"
        )
    shape, n = frames.shape[1:], len(frames)
    total, squares, residuals = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    levels = np.zeros((n, len(boxes)), dtype=np.int64)
    spreads = np.zeros((n, len(boxes)), dtype=np.float64)
    histogram = np.zeros(_BINS, dtype=np.int32)
    for i in range(n):
        _add(frames[i], boxes, histogram, levels[i], spreads[i], total, squares, residuals)
    return DarkSums(total, squares, residuals, np.asarray(numbers, dtype=np.int64), levels, spreads)


def combine_dark_sums(parts: Sequence[DarkSums]) -> DarkSums:
    """Return the sums over all frames of disjoint parts, in their order."""
    first, *others = parts
    total, squares, residuals = (a.copy() for a in first[:3])
    for part in others:
        total += part.total
        squares += part.squares
        residuals += part.residual_squares
    joined = (np.concatenate([p[k] for p in parts]) for k in (3, 4, 5))
    return DarkSums(total, squares, residuals, *joined)


def without(sums: DarkSums, part: DarkSums) -> DarkSums:
    """Return the sums less those of `part`, whose frames are all included."""
    keep = ~np.isin(sums.frames, part.frames)
    return DarkSums(
        sums.total - part.total,
        sums.squares - part.squares,
        sums.residual_squares - part.residual_squares,
        sums.frames[keep],
        sums.levels[keep],
        sums.spreads[keep],
    )


def outlier_frames(sums: DarkSums, n_mad: float) -> NDArray[np.int64]:
    """Return the frames (numbers of the run) that are outliers by level or spread on any panel.

    A frame with photons has a larger spread, a dropped one another level.
    """
    bad = np.zeros(len(sums.frames), dtype=np.bool_)
    for values, least in ((sums.levels / SCALE, 1.0), (sums.spreads, 0.02)):
        middle = np.median(values, axis=0)
        off = np.abs(values - middle)
        width = np.maximum(1.4826 * np.median(off, axis=0), least)
        bad |= np.any(off > n_mad * width, axis=1)
    return sums.frames[bad]
