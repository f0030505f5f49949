"""Loops over the pixels of one frame, and over the background pixels gathered from several."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.integration.foreground import NOBODY, phi_term, xy_term
from dxdask.integration.sums import (
    COUNTS,
    COUNTS_X,
    COUNTS_Y,
    COUNTS_Z,
    N_BACKGROUND_BAD,
    N_FOREGROUND,
    N_FRAMES,
    N_INVALID,
    N_OVERLAPPED,
    N_SATURATED,
    PIXELS_X,
    PIXELS_Y,
    PIXELS_Z,
)

_LARGEST = 2**31 - 1
_NARROW = 4096  # histograms spread over fewer counts than this are sorted by counting


@njit(cache=True, nogil=True, error_model="numpy")
def active_on_frames(rows: Any, box: Any, first: int, offsets: Any, active: Any) -> None:
    """Fill active[offsets[f] : offsets[f + 1]] with what is on frame first + f: places in `rows`.

    offsets: (n_frames + 1,). Places are ascending within each frame.
    """
    n = len(offsets) - 1
    filled = offsets[:-1].copy()
    for i in range(len(rows)):
        r = rows[i]
        for f in range(max(box[r, 4] - first, 0), min(box[r, 5] - first, n)):
            active[filled[f]] = i
            filled[f] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def add_background(v: Any, i: int, starts: Any, used: Any, values: Any) -> None:
    """Append a count to the background of reflection i."""
    values[starts[i] + used[i]] = min(v, _LARGEST)
    used[i] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def add_foreground(v: Any, row: Any, dx: int, dy: int, dz: int) -> None:
    """Add a pixel, (dx, dy, dz) from the corner of the box, to the sums (N_SUMS,) of its owner."""
    row[N_FOREGROUND] += 1
    row[COUNTS] += v
    row[COUNTS_X] += v * dx
    row[COUNTS_Y] += v * dy
    row[COUNTS_Z] += v * dz
    row[PIXELS_X] += dx
    row[PIXELS_Y] += dy
    row[PIXELS_Z] += dz


@njit(cache=True, nogil=True, error_model="numpy")
def collect(
    frame: Any, mask: Any, trusted: Any, z: int, phi: Any, active: Any, rows: Any, e: Any,
    owner: Any, sums: Any, starts: Any, used: Any, values: Any,
) -> None:  # fmt: skip
    """Add one frame (slow, fast), at array index z, to sums and backgrounds of its reflections.

    mask: (slow, fast) bool, True is good. trusted: counts strictly between the two are; those from
    the upper end on are saturated. starts, used: (n,), where in `values` the backgrounds are, and
    how many.
    """
    for i in active:
        r, row = rows[i], sums[i]
        row[N_FRAMES] += 1
        x0, x1 = max(e.box[r, 0], e.panel[r, 0]), min(e.box[r, 1], e.panel[r, 1])
        y0, y1 = max(e.box[r, 2], e.panel[r, 2]), min(e.box[r, 3], e.panel[r, 3])
        d3 = phi_term(e, r, phi)
        for y in range(y0, y1):
            for x in range(x0, x1):
                mine = owner[y, x]
                v = np.int64(frame[y, x])
                if mine == NOBODY:
                    if mask[y, x] and trusted[0] < v < trusted[1]:
                        add_background(v, i, starts, used, values)
                    else:
                        row[N_BACKGROUND_BAD] += 1
                elif mine != i:
                    if d3 <= 1.0 and xy_term(e, r, x, y) + d3 <= 1.0:
                        row[N_OVERLAPPED] += 1
                elif not (mask[y, x] and v > trusted[0]):
                    row[N_INVALID] += 1
                else:
                    if v >= trusted[1]:
                        row[N_SATURATED] += 1
                    add_foreground(v, row, x - e.box[r, 0], y - e.box[r, 2], z - e.box[r, 4])


@njit(cache=True, nogil=True, error_model="numpy")
def sort_backgrounds(starts: Any, used: Any, values: Any, tally: Any, distinct: Any) -> None:
    """Sort each background in place; fill `distinct` (n,) with how many different counts it has.

    tally: (_NARROW,) int32, zeros, and left so.
    """
    for i in range(len(starts)):
        own = values[starts[i] : starts[i] + used[i]]
        distinct[i] = 0
        if len(own) == 0:
            continue
        low, high = own[0], own[0]
        for v in own:
            low, high = min(low, v), max(high, v)
        if np.int64(high) - low >= len(tally):
            own.sort()
            distinct[i] = 1
            for j in range(1, len(own)):
                distinct[i] += own[j] != own[j - 1]
            continue
        for v in own:
            tally[v - low] += 1
        at = 0
        for k in range(high - low + 1):
            for _ in range(tally[k]):
                own[at] = low + k
                at += 1
            distinct[i] += tally[k] > 0
            tally[k] = 0


@njit(cache=True, nogil=True, error_model="numpy")
def encode_backgrounds(
    starts: Any, used: Any, values: Any, offsets: Any, out: Any, counts: Any
) -> None:
    """Fill out and counts [offsets[i], offsets[i + 1]) with the sorted background i, run by run."""
    for i in range(len(starts)):
        at = offsets[i] - 1
        for j in range(starts[i], starts[i] + used[i]):
            if j == starts[i] or values[j] != values[j - 1]:
                at += 1
                out[at] = values[j]
                counts[at] = 0
            counts[at] += 1


NARROW = _NARROW
