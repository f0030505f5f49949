"""Sums over the pixels of the spots of one still."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.integration.photons import photons_of_pixel
from dxdask.integration.stills.background import MIN_PIXELS, background

TOTAL, BACKGROUND, UNDER, VARIANCE, MOMENT_X, MOMENT_Y, PIXELS_X, PIXELS_Y, DARKEST = (
    0, 1, 2, 3, 4, 5, 6, 7, 8,
)  # fmt: skip
N_SUMS = 9
FOREGROUND, AROUND, BAD, SATURATED, SHARED, BAD_AROUND, N_DARKEST = 0, 1, 2, 3, 4, 5, 6
N_COUNTS = 7
HALVES = ((1, 0), (0, 1), (1, 1), (1, -1))
"""Directions of four of the eight halves of the background of a spot; the others are opposite."""


@njit(cache=True, nogil=True, error_model="numpy")
def window(p: int, x: float, y: float, half: float, panels: Any) -> Any:
    """Return the pixels x0 x1 y0 y1 within `half` of a position, half open, cut to its panel."""
    return (
        max(0, int(np.floor(x - half))),
        min(panels.image_size[p, 0], int(np.floor(x + half)) + 1),
        max(0, int(np.floor(y - half))),
        min(panels.image_size[p, 1], int(np.floor(y + half)) + 1),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def mark(
    panel: Any, x: Any, y: Any, shapes: Any, halves: Any, strong: Any, panels: Any, marks: Any
) -> None:
    """Fill marks (slow, fast) with the number of strong reflections in whose foreground a pixel is.

    shapes : (n, 3) xx, xy, yy of F^-1 of the ellipse d^T F^-1 d <= 1. halves : (n,) its half width
    or height, px.
    """
    for k in range(len(panel)):
        if not strong[k]:
            continue
        p = panel[k]
        x0, x1, y0, y1 = window(p, x[k], y[k], halves[k], panels)
        for j in range(y0, y1):
            for i in range(x0, x1):
                dx, dy = i + 0.5 - x[k], j + 0.5 - y[k]
                if (
                    shapes[k, 0] * dx * dx + 2 * shapes[k, 1] * dx * dy + shapes[k, 2] * dy * dy
                    <= 1
                ):
                    at_y, at_x = panels.offset[p, 1] + j, panels.offset[p, 0] + i
                    marks[at_y, at_x] = min(marks[at_y, at_x] + 1, 255)


@njit(cache=True, nogil=True, error_model="numpy")
def _darkest_half(ring: Any, n: int) -> Any:
    """Return the photons and the number of pixels of the darkest of eight halves, by its mean.

    Halves are bounded by x, by y and by both diagonals.
    """
    least, number = 0.0, 0
    for side in range(4):
        by_x, by_y = HALVES[side]
        over, n_over, under, n_under = 0.0, 0, 0.0, 0
        for i in range(n):
            along = by_x * ring[i, 0] + by_y * ring[i, 1]
            if along > 0.0:
                over += ring[i, 2]
                n_over += 1
            elif along < 0.0:
                under += ring[i, 2]
                n_under += 1
        for total, m in ((over, n_over), (under, n_under)):
            if m > 0 and (number == 0 or total * number < least * m):
                least, number = total, m
    return least, number


@njit(cache=True, nogil=True, error_model="numpy")
def sum_pixels(
    frame: Any, mask: Any, marks: Any, panel: Any, x: Any, y: Any, shapes: Any, halves: Any,
    strong: Any, panels: Any, trusted: Any, pixels: Any, settings: Any, sums: Any, counts: Any,
) -> None:  # fmt: skip
    """Fill sums (n, N_SUMS) and counts (n, N_COUNTS) of every reflection.

    trusted : (p, 2) counts. pixels : `ScaledPixels`; sums are of photons.
    settings : inner and outer border of the background, as multiples of the foreground, and the
    standard deviations beyond which its pixels are rejected. The background is NaN without pixels.
    """
    inner, outer, n_sigma = settings[0], settings[1], settings[2]
    room = 0
    for k in range(len(panel)):
        room = max(room, int(2 * halves[k] * outer) + 2)
    ring, fit = np.empty((room * room, 3)), np.empty(3)
    for k in range(len(panel)):
        p = panel[k]
        x0, x1, y0, y1 = window(p, x[k], y[k], halves[k] * outer, panels)
        own = 1 if strong[k] else 0
        n = 0
        for j in range(y0, y1):
            at_y = panels.offset[p, 1] + j
            for i in range(x0, x1):
                at_x = panels.offset[p, 0] + i
                dx, dy = i + 0.5 - x[k], j + 0.5 - y[k]
                far = shapes[k, 0] * dx * dx + 2 * shapes[k, 1] * dx * dy + shapes[k, 2] * dy * dy
                if far > outer * outer or 1.0 < far < inner * inner:
                    continue
                count = np.float64(frame[at_y, at_x])
                good = mask[at_y, at_x] and count > trusted[p, 0]
                c = photons_of_pixel(count, p, at_y, at_x, pixels)
                if far > 1.0:
                    if not good or count >= trusted[p, 1]:
                        counts[k, BAD_AROUND] += 1
                    elif marks[at_y, at_x] == 0:
                        ring[n, 0], ring[n, 1], ring[n, 2] = dx, dy, c
                        n += 1
                    continue
                if not good:
                    counts[k, BAD] += 1
                    continue
                counts[k, FOREGROUND] += 1
                counts[k, SATURATED] += count >= trusted[p, 1]
                counts[k, SHARED] += marks[at_y, at_x] > own
                sums[k, TOTAL] += c
                sums[k, MOMENT_X] += c * dx
                sums[k, MOMENT_Y] += c * dy
                sums[k, PIXELS_X] += dx
                sums[k, PIXELS_Y] += dy
        counts[k, AROUND], sums[k, VARIANCE] = background(ring, n, n_sigma, fit)
        sums[k, DARKEST], counts[k, N_DARKEST] = _darkest_half(ring, n)
        sums[k, BACKGROUND] = fit[0] if counts[k, AROUND] >= MIN_PIXELS else np.nan
        sums[k, UNDER] = counts[k, FOREGROUND] * fit[0]
        sums[k, UNDER] += fit[1] * sums[k, PIXELS_X] + fit[2] * sums[k, PIXELS_Y]
