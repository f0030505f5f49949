"""Weights of pixels of reflections that may overlap, by the counts expected there.

The variance of a pixel is its background and the counts of all reflections on it. These are first
estimated on each frame by itself, from pixels that are nearest to one reflection, so that weights
do not depend on blocks. Those of every second pixel, as of a chessboard, are from the other pixels:
a weight that followed the noise of its own pixel would make intensities too low. Estimates that are
not significant are 0. Weights are integers, and so are the sums. Source of weights by expected
variances: Leslie (1999), Acta Cryst. D55, 1696.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.integration.background_pixels import FOREGROUND
from dxdask.integration.boxes import Ellipsoids
from dxdask.integration.photons import PARTS, parts_of_photon
from dxdask.integration.shared_pixels import pairs_of
from dxdask.integration.sums import (
    WEIGHTED,
    WEIGHTED_2,
    WEIGHTED_2_SQUARED,
    WEIGHTED_3_SQUARED,
    WEIGHTED_COUNTS,
)

MOST = 255
"""Weight of a pixel without counts of reflections."""
SHIFT = 5
"""Bits by which weights of profiles are cut beside those of pixels: fourth powers fit 64 bits."""
_UNIT = 16.0  # of expected photons, integers
_LEAST_BACKGROUND = 0.25  # photons, below which weights do not follow the background
_SIGNIFICANT = 1.5  # standard deviations of an estimate on one frame
_ROUNDS = 3  # of the estimates of reflections on one frame
_BRIGHTEST = 1e6  # times _UNIT, of a pixel, beyond which weights are the least


def may_overlap(rows: NDArray[np.int64], shapes: Ellipsoids) -> NDArray[np.bool_]:
    """Return which of `rows` may share pixels with another reflection of the run, on any frame."""
    out = np.zeros(len(shapes.box), dtype=bool)
    if len(rows):
        first, last = shapes.box[rows, 4].min(), shapes.box[rows, 5].max()
        near = np.flatnonzero((shapes.box[:, 4] < last) & (shapes.box[:, 5] > first))
        pairs = pairs_of(near, shapes)
        out[near[pairs.first]] = out[near[pairs.second]] = True
    return out[rows]


@njit(cache=True, nogil=True, error_model="numpy")
def _bounds(e: Any, r: int) -> Any:
    """Return x0, x1, y0, y1 of the foreground on the panel, and its width."""
    x0, x1 = max(e.inner[r, 0], e.panel[r, 0]), min(e.inner[r, 1], e.panel[r, 1])
    y0, y1 = max(e.inner[r, 2], e.panel[r, 2]), min(e.inner[r, 3], e.panel[r, 3])
    return x0, x1, y0, y1, e.inner[r, 1] - e.inner[r, 0]


@njit(cache=True, nogil=True, error_model="numpy")
def _value(frame: Any, panel: int, y: int, x: int, pixels: Any) -> Any:
    """Return the photons of a pixel, in parts where counts are not photons."""
    if pixels is None:
        value: Any = np.int64(frame[y, x])
        return value
    parts: Any = parts_of_photon(np.float64(frame[y, x]), panel, y, x, pixels)
    return parts


@njit(cache=True, nogil=True, error_model="numpy")
def _background(frame: Any, mask: Any, limits: Any, pixels: Any, e: Any, r: int, state: Any) -> Any:
    """Return the mean background around reflection r on one frame, in units of `_value`."""
    total: Any = 0
    n, panel = 0, e.panel_number[r]
    for y in range(max(e.box[r, 2], e.panel[r, 2]), min(e.box[r, 3], e.panel[r, 3])):
        for x in range(max(e.box[r, 0], e.panel[r, 0]), min(e.box[r, 1], e.panel[r, 1])):
            if state[y, x] < FOREGROUND and mask[y, x] and limits[0] < frame[y, x] < limits[1]:
                total += _value(frame, panel, y, x, pixels)
                n += 1
    return total / n if n else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _strength(
    frame: Any, mask: Any, limits: Any, pixels: Any, i: int, r: int, e: Any, owner: Any, terms: Any,
    start: int, weights: Any, distances: Any, scale: float, background: float, before: float,
    expected: Any, half: int,
) -> float:  # fmt: skip
    """Return the intensity of reflection r, at place i, on one frame from half of its own pixels.

    Less the `expected` counts of others, that include its own of intensity `before`.
    """
    x0, x1, y0, y1, width = _bounds(e, r)
    unit = 1.0 if pixels is None else float(PARTS)
    p2, pc, panel = 0.0, 0.0, e.panel_number[r]
    for y in range(y0, y1):
        at = start + (y - e.inner[r, 2]) * width - e.inner[r, 0]
        for x in range(x0, x1):
            if (x + y) % 2 != half or owner[y, x] != i or distances[at + x] + terms[0] > 1.0:
                continue
            if mask[y, x] and limits[0] < frame[y, x] < limits[1]:
                p = weights[at + x] * terms[1] * scale
                others = max(expected[y, x] / _UNIT - before * p, 0.0)
                p2 += p * p
                pc += p * (_value(frame, panel, y, x, pixels) / unit - background - others)
    # of a pixel without background one photon may be anything
    least = max(background, _LEAST_BACKGROUND)
    return pc / p2 if pc > _SIGNIFICANT * np.sqrt(least * p2) else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _expect(
    active: Any, rows: Any, e: Any, terms: Any, starts: Any, weights: Any, distances: Any,
    scale: Any, strength: Any, out: Any,
) -> None:  # fmt: skip
    """Fill out (slow, fast) with the counts of reflections of these intensities, times `_UNIT`.

    strength: (n, 2), from either half of the pixels, for those of the other.
    """
    for clear in (True, False):
        for i in active:
            r, d3 = rows[i], terms[i, 0]
            if d3 > 1.0 or not (clear or strength[i, 0] > 0.0 or strength[i, 1] > 0.0):
                continue
            x0, x1, y0, y1, width = _bounds(e, r)
            height = _UNIT * terms[i, 1] * scale[i]
            for y in range(y0, y1):
                at = starts[i] + (y - e.inner[r, 2]) * width - e.inner[r, 0]
                for x in range(x0, x1):
                    if distances[at + x] + d3 <= 1.0:
                        if clear:
                            out[y, x] = 0
                        else:
                            counts = height * weights[at + x] * strength[i, (x + y + 1) % 2]
                            out[y, x] += int(min(counts, _BRIGHTEST) + 0.5)


@njit(cache=True, nogil=True, error_model="numpy")
def fill_pixel_weights(
    frame: Any, mask: Any, trusted: Any, pixels: Any, active: Any, rows: Any, e: Any, owner: Any,
    state: Any, terms: Any, starts: Any, weights: Any, distances: Any, scale: Any, out: Any,
) -> None:  # fmt: skip
    """Fill out (slow, fast) int32 with the weights of the foreground of the reflections `active`.

    Arguments as in `accumulate_frame`, which was called before; active are those that may
    overlap. scale: (n,), from weights of profiles to fractions.
    """
    unit = 1.0 if pixels is None else float(PARTS)
    background, strength = np.zeros(len(rows)), np.zeros((len(rows), 2))
    for i in active:
        r = rows[i]
        limits = trusted[e.panel_number[r]]
        background[i] = _background(frame, mask, limits, pixels, e, r, state) / unit
    for _ in range(_ROUNDS):
        _expect(active, rows, e, terms, starts, weights, distances, scale, strength, out)
        for i in active:
            if terms[i, 0] > 1.0:
                continue
            limits, before = trusted[e.panel_number[rows[i]]], strength[i].copy()
            for half in range(2):
                strength[i, half] = _strength(
                    frame, mask, limits, pixels, i, rows[i], e, owner, terms[i], starts[i], weights,
                    distances, scale[i], background[i], before[1 - half], out, half,
                )  # fmt: skip
    _expect(active, rows, e, terms, starts, weights, distances, scale, strength, out)
    for i in active:
        if terms[i, 0] > 1.0:
            continue
        r, level = rows[i], max(background[i], _LEAST_BACKGROUND)
        x0, x1, y0, y1, width = _bounds(e, r)
        for y in range(y0, y1):
            at = starts[i] + (y - e.inner[r, 2]) * width - e.inner[r, 0]
            for x in range(x0, x1):
                if distances[at + x] + terms[i, 0] <= 1.0 and owner[y, x] == i:
                    part = level / (level + out[y, x] / _UNIT)
                    out[y, x] = max(int(MOST * part + 0.5), 1)


@njit(cache=True, nogil=True, error_model="numpy")
def add_weighted_pixels(
    frame: Any, mask: Any, trusted: Any, pixels: Any, active: Any, rows: Any, e: Any, terms: Any,
    starts: Any, weights: Any, distances: Any, by_pixel: Any, sums: Any,
) -> None:  # fmt: skip
    """Add the foreground of one frame, with the weights `by_pixel`, to the sums of reflections."""
    for i in active:
        d3, fraction, r = terms[i, 0], terms[i, 1], rows[i]
        if d3 > 1.0:
            continue
        x0, x1, y0, y1, width = _bounds(e, r)
        panel, row = e.panel_number[r], sums[i]
        for y in range(y0, y1):
            at = starts[i] + (y - e.inner[r, 2]) * width - e.inner[r, 0]
            for x in range(x0, x1):
                if distances[at + x] + d3 > 1.0:
                    continue
                if not (mask[y, x] and trusted[panel, 0] < frame[y, x] < trusted[panel, 1]):
                    continue
                w = np.int64(by_pixel[y, x])
                p = np.int64(weights[at + x] * fraction + 0.5) >> SHIFT
                wp = w * p
                row[WEIGHTED] += wp
                row[WEIGHTED_2] += wp * p
                row[WEIGHTED_COUNTS] += wp * _value(frame, panel, y, x, pixels)
                row[WEIGHTED_2_SQUARED] += wp * wp
                row[WEIGHTED_3_SQUARED] += wp * wp * p
