"""Labels of the foreground: the reflection that each pixel of a frame is of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.integration.gaussian import rotated_fraction
from dxdask.integration.sums import N_INVALID, PROFILE

NO_OWNER = -1


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
def label_foreground(
    active: Any, rows: Any, e: Any, phi: Any, starts: Any, weights: Any, owner: Any, sums: Any
) -> None:
    """Label the pixels of `owner` (slow, fast) with the reflection of the smallest distance.

    active: (m,), places in `rows` of the reflections on this frame, ascending, which are the
    labels; of equal distances the first wins. Pixels of an ellipsoid that lie off the panel are
    counted as invalid in `sums` (one row each). starts, weights: of the profiles, from
    `fill_weights`; the weights of the whole ellipsoid are added up.
    """
    for i in active:
        r = rows[i]
        d3 = phi_term(e, r, phi)
        if d3 > 1.0:
            continue
        fraction, at = rotated_fraction(e, r, phi), starts[i] - 1
        for y in range(e.inner[r, 2], e.inner[r, 3]):
            for x in range(e.inner[r, 0], e.inner[r, 1]):
                at += 1
                d = xy_term(e, r, x, y) + d3
                if d > 1.0:
                    continue
                sums[i, PROFILE] += int(weights[at] * fraction + 0.5)
                if not (e.panel[r, 0] <= x < e.panel[r, 1] and e.panel[r, 2] <= y < e.panel[r, 3]):
                    sums[i, N_INVALID] += 1
                    continue
                other = owner[y, x]
                if other != NO_OWNER:
                    o = rows[other]
                    if d >= phi_term(e, o, phi) + xy_term(e, o, x, y):
                        continue
                owner[y, x] = i


@njit(cache=True, nogil=True, error_model="numpy")
def clear_foreground(active: Any, rows: Any, e: Any, owner: Any) -> None:
    """Reset the pixels of `owner` that `label_foreground` may have labelled."""
    for i in active:
        r = rows[i]
        for y in range(max(e.inner[r, 2], e.panel[r, 2]), min(e.inner[r, 3], e.panel[r, 3])):
            for x in range(max(e.inner[r, 0], e.panel[r, 0]), min(e.inner[r, 1], e.panel[r, 1])):
                owner[y, x] = NO_OWNER


def empty_owner_map(shape: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Return a map (slow, fast) int32 of pixels without a label."""
    return np.full(shape, NO_OWNER, dtype=np.int32)
