"""Loops over the pixels of one frame, and over the background pixels gathered from several."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.integration.foreground import NOBODY, phi_term, xy_term
from dxdask.integration.gaussian import rotated_fraction
from dxdask.integration.sums import (
    COUNTS,
    COUNTS_X,
    COUNTS_Y,
    COUNTS_Z,
    FITTED,
    FITTED_2,
    FITTED_3,
    FITTED_COUNTS,
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
N_BINS = 64  # background counts below this are tallied at once; the rest are kept and sorted


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
def add_fitted(v: Any, row: Any, weight: Any) -> None:
    """Add a pixel of a weight in the profile to the sums (N_SUMS,) of its owner."""
    row[FITTED] += weight
    row[FITTED_2] += weight * weight
    row[FITTED_3] += weight * weight * weight
    row[FITTED_COUNTS] += weight * v


@njit(cache=True, nogil=True, error_model="numpy")
def collect(
    frame: Any, mask: Any, trusted: Any, z: int, phi: Any, active: Any, rows: Any, e: Any,
    owner: Any, profile: Any, weights: Any, sums: Any, tally: Any, starts: Any, used: Any,
    values: Any,
) -> None:  # fmt: skip
    """Add one frame (slow, fast), at array index z, to sums and backgrounds of its reflections.

    mask: (slow, fast) bool, True is good. trusted: (2,) int64, counts strictly between the two
    are; those from the upper end on are saturated. profile, weights: where the profile of each
    begins, and the weights, from `fill_weights`. tally: (n, N_BINS), background pixels by count.
    starts, used: (n,), where in `values` are the background counts that have no bin, and how many.
    """
    low, high = trusted[0], trusted[1]
    for i in active:
        r, row, bins = rows[i], sums[i], tally[i]
        row[N_FRAMES] += 1
        x0, x1 = max(e.box[r, 0], e.panel[r, 0]), min(e.box[r, 1], e.panel[r, 1])
        y0, y1 = max(e.box[r, 2], e.panel[r, 2]), min(e.box[r, 3], e.panel[r, 3])
        dx0, dy0, dz = x0 - e.box[r, 0], -e.box[r, 2], z - e.box[r, 4]
        d3, fraction = phi_term(e, r, phi), rotated_fraction(e, r, phi)
        width = e.inner[r, 1] - e.inner[r, 0]
        for y in range(y0, y1):
            # place of the weight of the first pixel of the line
            at = profile[i] + (y - e.inner[r, 2]) * width + x0 - e.inner[r, 0]
            # slices, counted from 0, spare the check for negative indices
            counts, good, owners = frame[y, x0:x1], mask[y, x0:x1], owner[y, x0:x1]
            for k in range(len(counts)):
                v = np.int64(counts[k])
                if owners[k] == NOBODY:
                    if not (good[k] and low < v < high):
                        row[N_BACKGROUND_BAD] += 1
                    elif 0 <= v < N_BINS:
                        bins[v] += 1
                    else:
                        values[starts[i] + used[i]] = min(v, _LARGEST)
                        used[i] += 1
                elif owners[k] != i:
                    if d3 <= 1.0 and xy_term(e, r, x0 + k, y) + d3 <= 1.0:
                        row[N_OVERLAPPED] += 1
                elif not (good[k] and v > low):
                    row[N_INVALID] += 1
                else:
                    if v >= high:
                        row[N_SATURATED] += 1
                    else:
                        add_fitted(v, row, np.int64(weights[at + k] * fraction + 0.5))
                    add_foreground(v, row, dx0 + k, dy0 + y, dz)


@njit(cache=True, nogil=True, error_model="numpy")
def count_distinct(tally: Any, starts: Any, used: Any, values: Any, distinct: Any) -> None:
    """Sort the counts without a bin in place; fill `distinct` (n,) with how many counts differ."""
    for i in range(len(starts)):
        own = values[starts[i] : starts[i] + used[i]]
        distinct[i] = len(own) > 0
        if len(own) > 1:
            own.sort()
            for j in range(1, len(own)):
                distinct[i] += own[j] != own[j - 1]
        for v in range(N_BINS):
            distinct[i] += tally[i, v] > 0


@njit(cache=True, nogil=True, error_model="numpy")
def encode(
    tally: Any, starts: Any, used: Any, values: Any, offsets: Any, out: Any, counts: Any
) -> None:
    """Fill out and counts [offsets[i], offsets[i + 1]) with the histogram i, counts ascending."""
    for i in range(len(starts)):
        at, j, end = offsets[i], starts[i], starts[i] + used[i]
        for binned in (False, True):
            # what has no bin lies below the bins, then above them
            while j < end and (binned or values[j] < 0):
                out[at], counts[at] = values[j], 0
                while j < end and values[j] == out[at]:
                    counts[at] += 1
                    j += 1
                at += 1
            if binned:
                break
            for v in range(N_BINS):
                if tally[i, v] > 0:
                    out[at], counts[at] = v, tally[i, v]
                    at += 1
