"""Labels of the foreground: the reflection that each pixel of a frame belongs to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.integration.background_pixels import FOREGROUND
from dxdask.integration.gaussian import rotated_fraction
from dxdask.integration.sums import N_INVALID, PROFILE


@njit(cache=True, nogil=True, error_model="numpy")
def phi_term(e: Any, r: int, phi: Any) -> Any:
    """Return (eps3 / delta_m)^2 of reflection r, smallest over a frame between two angles."""
    at, low, high = e.centre[r, 2], min(phi[0], phi[1]), max(phi[0], phi[1])
    away = max(0.0, low - at, at - high)
    return e.shape[r, 3] * away * away


@njit(cache=True, nogil=True, error_model="numpy")
def xy_term(e: Any, r: int, x: int, y: int) -> Any:
    """Return (eps1^2 + eps2^2) / delta_b^2 of r, smallest over the corners of pixel (x, y).

    It is 0 in the pixel of the centre, however small the reflection.
    """
    dx, dy = x - e.centre[r, 0], y - e.centre[r, 1]
    if -1.0 < dx <= 0.0 and -1.0 < dy <= 0.0:
        return 0.0
    xx, xy, yy = e.shape[r, 0], 2.0 * e.shape[r, 1], e.shape[r, 2]
    ex, ey = dx + 1.0, dy + 1.0
    left, right = xx * dx * dx, xx * ex * ex
    top, bottom = yy * dy * dy, yy * ey * ey
    return min(
        min(left + xy * dx * dy + top, right + xy * ex * dy + top),
        min(left + xy * dx * ey + bottom, right + xy * ex * ey + bottom),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def fill_distances(rows: Any, e: Any, starts: Any, distances: Any) -> None:
    """Fill distances[starts[i]:] with `xy_term` of the pixels `e.inner` of reflection rows[i].

    They run along x, then y, and are the same on all frames.
    """
    for i in range(len(rows)):
        r, at = rows[i], starts[i]
        for y in range(e.inner[r, 2], e.inner[r, 3]):
            for x in range(e.inner[r, 0], e.inner[r, 1]):
                distances[at] = xy_term(e, r, x, y)
                at += 1


@njit(cache=True, nogil=True, error_model="numpy")
def fill_frame_terms(active: Any, rows: Any, e: Any, phi: Any, terms: Any) -> None:
    """Fill terms[i] of each i in `active`: `phi_term`, the fraction on this frame, and 0.

    The last becomes 1 where it shares pixels.
    """
    for i in active:
        r = rows[i]
        terms[i, 0] = phi_term(e, r, phi)
        terms[i, 1] = rotated_fraction(e, r, phi) if terms[i, 0] <= 1.0 else 0.0
        terms[i, 2] = 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def label_foreground(
    active: Any, rows: Any, e: Any, terms: Any, starts: Any, distances: Any, alone: Any,
    owner: Any, state: Any,
) -> None:  # fmt: skip
    """Label the pixels of `owner` (slow, fast) with the reflection of the smallest distance.

    They become FOREGROUND in `state` (slow, fast). active: (m,), places in `rows` of the
    reflections on this frame, which are the labels; of equal distances the first place wins. terms:
    from `fill_frame_terms`. starts, distances: from `fill_distances`. alone: (n,) bool, reflections
    that cannot share pixels are left to `accumulate_frame`: they need no label.
    """
    for i in active:
        d3 = terms[i, 0]
        if d3 > 1.0 or alone[i]:
            continue
        r = rows[i]
        left, width = e.inner[r, 0], e.inner[r, 1] - e.inner[r, 0]
        for y in range(max(e.inner[r, 2], e.panel[r, 2]), min(e.inner[r, 3], e.panel[r, 3])):
            v, at = np.uint64(y), starts[i] + (y - e.inner[r, 2]) * width - left
            for x in range(max(left, e.panel[r, 0]), min(e.inner[r, 1], e.panel[r, 1])):
                d, u = distances[at + x] + d3, np.uint64(x)  # no check for negative indices
                if d > 1.0:
                    continue
                if state[v, u] >= FOREGROUND:
                    other = owner[v, u]
                    terms[i, 2] = terms[other, 2] = 1.0
                    there = distances[_place(e, rows[other], starts[other], x, y)] + terms[other, 0]
                    if d > there or (d == there and i > other):
                        continue
                owner[v, u] = i
                state[v, u] |= FOREGROUND


@njit(cache=True, nogil=True, error_model="numpy")
def _place(e: Any, r: int, start: int, x: int, y: int) -> Any:
    """Return the place of a pixel in the arrays of `fill_weights`."""
    width = e.inner[r, 1] - e.inner[r, 0]
    return start + (y - e.inner[r, 2]) * width + x - e.inner[r, 0]


@njit(cache=True, nogil=True, error_model="numpy")
def add_off_panel(
    r: int, e: Any, d3: float, fraction: float, start: int, weights: Any, distances: Any, row: Any
) -> None:
    """Add the pixels of an ellipsoid that lie off the panel to its sums (N_SUMS,).

    They are invalid; the weights are those of the whole ellipsoid. Arguments as in
    `accumulate.add_foreground`.
    """
    x0, x1, y0, y1 = e.panel[r, 0], e.panel[r, 1], e.panel[r, 2], e.panel[r, 3]
    at = start - 1
    for y in range(e.inner[r, 2], e.inner[r, 3]):
        for x in range(e.inner[r, 0], e.inner[r, 1]):
            at += 1
            if distances[at] + d3 > 1.0 or (x0 <= x < x1 and y0 <= y < y1):
                continue
            row[PROFILE] += int(weights[at] * fraction + 0.5)
            row[N_INVALID] += 1
