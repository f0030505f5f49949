"""Loops over the pixels of one frame, and over the background pixels of several."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.integration.foreground import NO_OWNER, phi_term, xy_term
from dxdask.integration.gaussian import rotated_fraction
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


@njit(cache=True, nogil=True, error_model="numpy")
def active_on_frames(rows: Any, box: Any, first: int, offsets: Any, active: Any) -> None:
    """Fill active[offsets[f] : offsets[f + 1]] with the reflections on frame first + f.

    They are places in `rows`, ascending within each frame. offsets: (n_frames + 1,).
    """
    n = len(offsets) - 1
    filled = offsets[:-1].copy()
    for i in range(len(rows)):
        r = rows[i]
        for f in range(max(box[r, 4] - first, 0), min(box[r, 5] - first, n)):
            active[filled[f]] = i
            filled[f] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def add_foreground(
    frame: Any, mask: Any, trusted: Any, pixels: Any, z: int, phi: Any, i: int, r: int, e: Any,
    owner: Any, start: int, weights: Any, row: Any,
) -> None:  # fmt: skip
    """Add the foreground of reflection r, at place i, on one frame to its sums (N_SUMS,).

    start: place in `weights` of its profile. The others as in `accumulate_frame`.
    """
    d3, fraction = phi_term(e, r, phi), rotated_fraction(e, r, phi)
    if d3 > 1.0:
        return
    panel = e.panel_number[r]
    low, high = trusted[panel, 0], trusted[panel, 1]
    x0, x1 = max(e.inner[r, 0], e.panel[r, 0]), min(e.inner[r, 1], e.panel[r, 1])
    y0, y1 = max(e.inner[r, 2], e.panel[r, 2]), min(e.inner[r, 3], e.panel[r, 3])
    n, bad, saturated, overlapped = 0, 0, 0, 0
    c, cx, cy, px, py = 0, 0, 0, 0, 0
    p, p2, p3, pc, own_p = 0, 0, 0, 0, 0
    for y in range(y0, y1):
        at = start + (y - e.inner[r, 2]) * (e.inner[r, 1] - e.inner[r, 0]) + x0 - e.inner[r, 0]
        # slices, indexed from 0, avoid the check for negative indices
        counts, good, owners = frame[y, x0:x1], mask[y, x0:x1], owner[y, x0:x1]
        line = weights[at : at + x1 - x0]
        for dx in range(len(counts)):
            own = owners[dx] == i
            if not own:
                if owners[dx] == NO_OWNER or xy_term(e, r, x0 + dx, y) + d3 > 1.0:
                    continue
                overlapped += 1
            if pixels is None:
                count: Any = np.int64(counts[dx])
                v: Any = count
            else:
                count = np.float64(counts[dx])
                v = parts_of_photon(count, panel, y, x0 + dx, pixels)
            dy = y - y0
            if not (good[dx] and count > low):
                bad += own
                continue
            if count >= high:
                saturated += own
            else:
                # of neighbours' pixels too: overlapping profiles are fitted together
                w: Any = np.int64(line[dx] * fraction + 0.5)
                p += w
                p2 += w * w
                p3 += w * w * w
                pc += w * v
                own_p += w * own
            if own:
                n += 1
                c += v
                cx += v * dx
                cy += v * dy
                px += dx
                py += dy
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
    frame: Any, mask: Any, trusted: Any, pixels: Any, z: int, phi: Any, active: Any, rows: Any,
    e: Any, owner: Any, profile: Any, weights: Any, sums: Any, histogram: Any, starts: Any,
    used: Any, values: Any,
) -> None:  # fmt: skip
    """Add one frame (slow, fast), at array index z, to sums and backgrounds of its reflections.

    mask: (slow, fast) bool, True is good. trusted: (panel, 2), counts strictly between the two
    are valid; those from the upper end on are saturated. pixels: None where counts are photons,
    which are added up; else `ScaledPixels`, and parts of photons are. profile, weights: first place
    of the profile of each, and the weights, from `fill_weights`. histogram: (n, N_BINS), background
    pixels by photons. starts, used: (n,), first place in `values` of the background without a bin,
    and their number.
    """
    for i in active:
        r, row, bins = rows[i], sums[i], histogram[i]
        panel = e.panel_number[r]
        low, high = trusted[panel, 0], trusted[panel, 1]
        if pixels is None:
            first, end = max(low + 1, 0), min(high, N_BINS)  # trusted counts that have a bin
        row[N_FRAMES] += 1
        add_foreground(
            frame, mask, trusted, pixels, z, phi, i, r, e, owner, profile[i], weights, row
        )  # fmt: skip
        x0, x1 = max(e.box[r, 0], e.panel[r, 0]), min(e.box[r, 1], e.panel[r, 1])
        n_bad, at = 0, starts[i] + used[i]
        for y in range(max(e.box[r, 2], e.panel[r, 2]), min(e.box[r, 3], e.panel[r, 3])):
            counts, good, owners = frame[y, x0:x1], mask[y, x0:x1], owner[y, x0:x1]
            for k in range(len(counts)):
                if owners[k] != NO_OWNER:
                    continue
                if pixels is None:
                    v = np.int64(counts[k])
                    if good[k] and first <= v < end:
                        bins[v] += 1
                    elif good[k] and low < v < high:
                        values[at] = min(v, _LARGEST)
                        at += 1
                    else:
                        n_bad += 1
                else:
                    count = np.float64(counts[k])
                    if not (good[k] and low < count < high):
                        n_bad += 1
                        continue
                    v = parts_of_photon(count, panel, y, x0 + k, pixels)
                    if 0 <= v < N_BINS * PARTS and v % PARTS == 0:
                        bins[v // PARTS] += 1
                    else:
                        values[at] = min(max(v, -_LARGEST), _LARGEST)
                        at += 1
        row[N_BACKGROUND_BAD] += n_bad
        used[i] = at - starts[i]


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
