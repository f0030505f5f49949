"""Loops over the pixels of one frame, and over the background pixels of several."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.integration.foreground import FOREGROUND, USABLE
from dxdask.integration.photons import PARTS, parts_of_photon
from dxdask.integration.sums import (
    COUNTS,
    COUNTS_X,
    COUNTS_Y,
    COUNTS_Z,
    FITTED,
    FITTED_2,
    FITTED_3,
    FITTED_COUNTS,
    FITTED_OWN,
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
N_BINS = 64  # whole photons of the background below this have a bin; others are kept and sorted
_LANES = 4
_LANE = np.uint64(_LANES - 1)
_OTHER, _SKIPPED = N_BINS, N_BINS + 1  # bins of pixels without a bin, and of foreground


@njit(cache=True, nogil=True, error_model="numpy")
def active_on_frames(
    order: Any, rows: Any, box: Any, first: int, offsets: Any, active: Any
) -> None:
    """Fill active[offsets[f] : offsets[f + 1]] with the reflections on frame first + f.

    They are places in `rows`, in the given order (n,). offsets: (n_frames + 1,).
    """
    n = len(offsets) - 1
    filled = offsets[:-1].copy()
    for i in order:
        r = rows[i]
        for f in range(max(box[r, 4] - first, 0), min(box[r, 5] - first, n)):
            active[filled[f]] = i
            filled[f] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def add_foreground(
    frame: Any, mask: Any, trusted: Any, pixels: Any, z: int, d3: float, fraction: float, i: int,
    r: int, e: Any, owner: Any, start: int, weights: Any, distances: Any, row: Any,
) -> None:  # fmt: skip
    """Add the foreground of reflection r, at place i, on one frame to its sums (N_SUMS,).

    d3, fraction: its terms of this frame. owner: None if it shares no pixel. start: place in
    `weights` of its profile. The others as in `accumulate_frame`.
    """
    if d3 > 1.0:
        return
    panel = e.panel_number[r]
    low, high = trusted[panel, 0], trusted[panel, 1]
    x0, x1 = max(e.inner[r, 0], e.panel[r, 0]), min(e.inner[r, 1], e.panel[r, 1])
    y0, y1 = max(e.inner[r, 2], e.panel[r, 2]), min(e.inner[r, 3], e.panel[r, 3])
    n, bad, saturated, overlapped = 0, 0, 0, 0
    c, cx, cy, px, py = 0, 0, 0, 0, 0
    p: Any = 0
    p2: Any = 0
    p3: Any = 0
    pc: Any = 0
    own_p: Any = 0
    width = e.inner[r, 1] - e.inner[r, 0]
    for y in range(y0, y1):
        at, v_y = start + (y - e.inner[r, 2]) * width + x0 - e.inner[r, 0], np.uint64(y)
        line_n, line_c = 0, 0  # of own pixels
        line_p: Any = 0
        for dx in range(x1 - x0):
            if distances[at + dx] + d3 > 1.0:
                continue
            v_x = np.uint64(x0 + dx)  # unsigned indices have no check for negative ones
            own: Any = True if owner is None else owner[v_y, v_x] == i
            if pixels is None:
                count: Any = np.int64(frame[v_y, v_x])
                v: Any = count
            else:
                count = np.float64(frame[v_y, v_x])
                v = parts_of_photon(count, panel, y, x0 + dx, pixels)
            used = count < high
            if not (mask[v_y, v_x] and count > low):
                bad += own
                used = False
            elif not used:
                saturated += own
                line_n += own
                if own:
                    line_c += v
                    cx += v * dx
                    px += dx
            overlapped += not own
            if used:
                # of neighbours' pixels too: overlapping profiles are fitted together
                w = np.int64(weights[at + dx] * fraction + 0.5)
                w2 = w * w
                p += w
                p2 += w2
                p3 += w2 * w
                pc += w * v
                if own:
                    line_p += w
                    line_n += 1
                    line_c += v
                    cx += v * dx
                    px += dx
        n += line_n
        c += line_c
        own_p += line_p
        cy += line_c * (y - y0)
        py += line_n * (y - y0)
    # moments are about the corner of the box
    ox, oy, oz = x0 - e.box[r, 0], y0 - e.box[r, 2], z - e.box[r, 4]
    row[N_FOREGROUND] += n
    row[N_INVALID] += bad
    row[N_SATURATED] += saturated
    row[N_OVERLAPPED] += overlapped
    row[COUNTS] += c
    row[COUNTS_X] += cx + c * ox
    row[COUNTS_Y] += cy + c * oy
    row[COUNTS_Z] += c * oz
    row[PIXELS_X] += px + n * ox
    row[PIXELS_Y] += py + n * oy
    row[PIXELS_Z] += n * oz
    row[FITTED] += p
    row[FITTED_2] += p2
    row[FITTED_3] += p3
    row[FITTED_COUNTS] += pc
    row[FITTED_OWN] += own_p


@njit(cache=True, nogil=True, error_model="numpy")
def accumulate_frame(
    frame: Any, mask: Any, trusted: Any, pixels: Any, z: int, active: Any, rows: Any, e: Any,
    owner: Any, state: Any, terms: Any, profile: Any, weights: Any, distances: Any, sums: Any,
    histogram: Any, starts: Any, used: Any, values: Any,
) -> None:  # fmt: skip
    """Add one frame (slow, fast), at array index z, to sums and backgrounds of its reflections.

    mask: (slow, fast) bool, True is good. trusted: (panel, 2), counts strictly between the two
    are valid; those from the upper end on are saturated. pixels: None where counts are photons,
    which are added up; else `ScaledPixels`, and parts of photons are. owner, state: from
    `label_foreground`. terms: from `fill_frame_terms`. profile, weights, distances: first place of
    the profile of each, and its pixels, from `fill_weights` and `fill_distances`. histogram:
    (n, N_BINS), background pixels by photons. starts, used: (n,), first place in `values` of the
    background without a bin, and their number.
    """
    # pixels side by side go to histograms of their own: no addition waits for the one before
    lanes = np.zeros((_LANES, N_BINS + 2), dtype=np.int32)
    for i in active:
        r = rows[i]
        sums[i, N_FRAMES] += 1
        d3, fraction, start, row = terms[i, 0], terms[i, 1], profile[i], sums[i]
        if terms[i, 2] > 0.0:
            add_foreground(
                frame, mask, trusted, pixels, z, d3, fraction, i, r, e, owner, start, weights,
                distances, row,
            )  # fmt: skip
        else:
            add_foreground(
                frame, mask, trusted, pixels, z, d3, fraction, i, r, e, None, start, weights,
                distances, row,
            )  # fmt: skip
        panel, bins = e.panel_number[r], histogram[i]
        low, high = trusted[panel, 0], trusted[panel, 1]
        x0, x1 = max(e.box[r, 0], e.panel[r, 0]), min(e.box[r, 1], e.panel[r, 1])
        y0, y1 = max(e.box[r, 2], e.panel[r, 2]), min(e.box[r, 3], e.panel[r, 3])
        begin, end = 0, 0
        if pixels is None:
            begin, end = max(low + 1, 0), min(high, N_BINS)  # trusted counts that have a bin
            for y in range(y0, y1):
                v_y = np.uint64(y)  # unsigned indices have no check for negative ones
                for x in range(x0, x1):
                    v_x = np.uint64(x)
                    v: Any = np.int64(frame[v_y, v_x])
                    here = state[v_y, v_x]
                    other = _SKIPPED if here == FOREGROUND else _OTHER
                    at: Any = v if (here == USABLE) & (v >= begin) & (v < end) else other
                    lanes[v_x & _LANE, np.uint64(at)] += 1
            n_other = 0
            for k in range(_LANES):
                n_other += lanes[k, _OTHER]
            for v in range(N_BINS):
                bins[v] += lanes[0, v] + lanes[1, v] + lanes[2, v] + lanes[3, v]
            lanes[:] = 0
            if n_other == 0:
                continue
        n_bad, to = 0, starts[i] + used[i]
        for y in range(y0, y1):
            for x in range(x0, x1):
                if state[y, x] == FOREGROUND:
                    continue
                if pixels is None:
                    v = np.int64(frame[y, x])
                    if not (state[y, x] == USABLE and low < v < high):
                        n_bad += 1
                    elif not begin <= v < end:
                        values[to] = min(v, _LARGEST)
                        to += 1
                else:
                    count = np.float64(frame[y, x])
                    if not (state[y, x] == USABLE and low < count < high):
                        n_bad += 1
                        continue
                    v = parts_of_photon(count, panel, y, x, pixels)
                    if 0 <= v < N_BINS * PARTS and v % PARTS == 0:
                        bins[v // PARTS] += 1
                    else:
                        values[to] = min(max(v, -_LARGEST), _LARGEST)
                        to += 1
        sums[i, N_BACKGROUND_BAD] += n_bad
        used[i] = to - starts[i]


@njit(cache=True, nogil=True, error_model="numpy")
def count_distinct(histogram: Any, starts: Any, used: Any, values: Any, distinct: Any) -> None:
    """Sort the values without a bin in place; fill `distinct` (n,) with the number of values."""
    for i in range(len(starts)):
        own = values[starts[i] : starts[i] + used[i]]
        distinct[i] = len(own) > 0
        if len(own) > 1:
            own.sort()
            for j in range(1, len(own)):
                distinct[i] += own[j] != own[j - 1]
        for v in range(N_BINS):
            distinct[i] += histogram[i, v] > 0


@njit(cache=True, nogil=True, error_model="numpy")
def encode(
    histogram: Any, starts: Any, used: Any, values: Any, unit: int, offsets: Any, out: Any,
    counts: Any,
) -> None:  # fmt: skip
    """Fill out and counts [offsets[i], offsets[i + 1]) with the histogram i, values ascending.

    unit: values of a photon.
    """
    for i in range(len(starts)):
        at, j, end = offsets[i], starts[i], starts[i] + used[i]
        for v in range(N_BINS + 1):
            # values without a bin are before, between and after those that have one
            while j < end and (v == N_BINS or values[j] < v * unit):
                out[at], counts[at] = values[j], 0
                while j < end and values[j] == out[at]:
                    counts[at] += 1
                    j += 1
                at += 1
            if v < N_BINS and histogram[i, v] > 0:
                out[at], counts[at] = v * unit, histogram[i, v]
                at += 1
