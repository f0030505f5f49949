"""Loops over the foreground pixels of one frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.integration.background_pixels import FOREGROUND, N_BINS
from dxdask.integration.foreground import add_off_panel
from dxdask.integration.photons import parts_of_photon
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
    N_FOREGROUND,
    N_FRAMES,
    N_INVALID,
    N_OVERLAPPED,
    N_SATURATED,
    PIXELS_X,
    PIXELS_Y,
    PIXELS_Z,
    PROFILE,
)

_COUNTED = FOREGROUND - 1  # of a state: the bin of its pixel
_BINS = (-1, N_BINS)


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
    profile: Any = 0
    width = e.inner[r, 1] - e.inner[r, 0]
    if x1 - x0 < width or y1 - y0 < e.inner[r, 3] - e.inner[r, 2]:
        add_off_panel(r, e, d3, fraction, start, weights, distances, row)
    for y in range(y0, y1):
        at, v_y = start + (y - e.inner[r, 2]) * width + x0 - e.inner[r, 0], np.uint64(y)
        line_n, line_c = 0, 0  # of own pixels
        line_p: Any = 0
        for dx in range(x1 - x0):
            if distances[at + dx] + d3 > 1.0:
                continue
            v_x = np.uint64(x0 + dx)  # unsigned indices have no check for negative ones
            w = np.int64(weights[at + dx] * fraction + 0.5)
            profile += w
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
    row[PROFILE] += profile
    row[FITTED] += p
    row[FITTED_2] += p2
    row[FITTED_3] += p3
    row[FITTED_COUNTS] += pc
    row[FITTED_OWN] += own_p


@njit(cache=True, nogil=True, error_model="numpy")
def _add_whole_foreground(
    frame: Any, mask: Any, limits: Any, pixels: Any, d3: float, fraction: float, panel: int,
    bounds: Any, offset: Any, weights: Any, distances: Any, values: Any, row: Any,
) -> bool:  # fmt: skip
    """Add a foreground to its sums if all pixels around it are valid; else return False.

    It gives the sums of `add_foreground` where no pixel is shared, in loops without branches.
    frame: with mask None, the states of pixels, which are read faster. limits: counts strictly
    between the two are valid. bounds: x0, x1, y0, y1 of the foreground. offset: of its first pixel
    and frame from those of the box. weights, distances: of its pixels. values: room for them,
    int64.
    """
    low, high = limits[0], limits[1]
    begin, end, at = np.uint64(bounds[0]), np.uint64(bounds[1]), np.uint64(0)
    for y in range(bounds[2], bounds[3]):
        v_y, valid = np.uint64(y), True
        for x in range(begin, end):
            if mask is None:
                count: Any = np.int64(frame[v_y, x]) & _COUNTED
                values[at] = count
            elif pixels is None:
                count = np.int64(frame[v_y, x])
                values[at] = count
                valid = valid & mask[v_y, x]
            else:
                count = np.float64(frame[v_y, x])
                values[at] = parts_of_photon(count, panel, y, int(x), pixels)
                valid = valid & mask[v_y, x]
            valid = valid & (count > low) & (count < high)
            at += np.uint64(1)
        if not valid:
            return False
    width = np.int64(bounds[1] - bounds[0])
    lines = (1 << 32) // width + 1  # over 2^32: of a pixel, exact for less than 2^32 / width
    n: Any = 0
    p: Any = 0
    p2: Any = 0
    p3: Any = 0
    c, cx, cy, px, py, pc = 0, 0, 0, 0, 0, 0
    for k in range(len(weights)):
        inside: Any = np.int64(distances[k] + d3 <= 1.0)
        w: Any = np.int64(weights[k] * fraction + 0.5) * inside
        v = values[k] * inside
        dy = (k * lines) >> 32
        dx = k - dy * width
        n += inside
        c += v
        cx += v * dx
        cy += v * dy
        px += inside * dx
        py += inside * dy
        w2 = w * w
        p += w
        p2 += w2
        p3 += w2 * w
        pc += w * v
    row[N_FOREGROUND] += n
    row[COUNTS] += c
    row[COUNTS_X] += cx + c * offset[0]
    row[COUNTS_Y] += cy + c * offset[1]
    row[COUNTS_Z] += c * offset[2]
    row[PIXELS_X] += px + n * offset[0]
    row[PIXELS_Y] += py + n * offset[1]
    row[PIXELS_Z] += n * offset[2]
    row[PROFILE] += p
    row[FITTED] += p
    row[FITTED_2] += p2
    row[FITTED_3] += p3
    row[FITTED_COUNTS] += pc
    row[FITTED_OWN] += p
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _mark(bounds: Any, width: int, d3: float, distances: Any, state: Any) -> None:
    """Mark a foreground in the states of pixels; bounds: its part on the panel."""
    for y in range(bounds[2], bounds[3]):
        line = state[np.uint64(y)]
        for x in range(bounds[0], bounds[1]):
            u = np.uint64(x)
            inside = distances[np.uint64((y - bounds[2]) * width + x - bounds[0])] + d3 <= 1.0
            line[u] |= np.uint8(FOREGROUND) if inside else np.uint8(0)


@njit(cache=True, nogil=True, error_model="numpy")
def accumulate_frame(
    frame: Any, mask: Any, trusted: Any, pixels: Any, z: int, active: Any, rows: Any, e: Any,
    alone: Any, owner: Any, state: Any, terms: Any, profile: Any, weights: Any, distances: Any,
    sums: Any,
) -> None:  # fmt: skip
    """Add one frame (slow, fast), at array index z, to the sums of its reflections.

    mask: (slow, fast) bool, True is good. trusted: (panel, 2), counts strictly between the two
    are valid; those from the upper end on are saturated. pixels: None where counts are photons,
    which are added up; else `ScaledPixels`, and parts of photons are. alone, owner, state: as in
    `label_foreground`, which was called before; foreground of reflections alone becomes FOREGROUND
    in `state`. terms: from `fill_frame_terms`. profile, weights, distances: first place of the
    profile of each, and its pixels, from `fill_weights` and `fill_distances`.
    """
    values = np.empty(1024, dtype=np.int64)
    for i in active:
        r = rows[i]
        sums[i, N_FRAMES] += 1
        d3, fraction, start, row = terms[i, 0], terms[i, 1], profile[i], sums[i]
        if d3 > 1.0:
            continue
        x0, x1, y0, y1 = e.inner[r, 0], e.inner[r, 1], e.inner[r, 2], e.inner[r, 3]
        area, panel = (x1 - x0) * (y1 - y0), e.panel[r]
        if area > len(values):
            values = np.empty(2 * area, dtype=np.int64)
        done = False
        if terms[i, 2] == 0.0 and (
            x0 >= panel[0] and x1 <= panel[1] and y0 >= panel[2] and y1 <= panel[3]
        ):
            number, bounds, own = e.panel_number[r], (x0, x1, y0, y1), slice(start, start + area)
            offset = x0 - e.box[r, 0], y0 - e.box[r, 2], z - e.box[r, 4]
            if pixels is None:
                done = _add_whole_foreground(
                    state, None, _BINS, None, d3, fraction, number, bounds, offset, weights[own],
                    distances[own], values, row,
                )  # fmt: skip
            done = done or _add_whole_foreground(
                frame, mask, trusted[number], pixels, d3, fraction, number, bounds, offset,
                weights[own], distances[own], values, row,
            )  # fmt: skip
        if not done and terms[i, 2] > 0.0:
            add_foreground(
                frame, mask, trusted, pixels, z, d3, fraction, i, r, e, owner, start, weights,
                distances, row,
            )  # fmt: skip
        elif not done:
            add_foreground(
                frame, mask, trusted, pixels, z, d3, fraction, i, r, e, None, start, weights,
                distances, row,
            )  # fmt: skip
        if alone[i]:
            left, top = max(x0, panel[0]), max(y0, panel[2])
            bounds = left, min(x1, panel[1]), top, min(y1, panel[3])
            at = start + (top - y0) * (x1 - x0) + left - x0
            _mark(bounds, x1 - x0, d3, distances[at:], state)
