"""Sharp pixels: strong, with nothing of a spot around them.

The point spread of a detector and the size of a crystal make every spot wider than a pixel; what a
bad pixel adds is in that pixel alone. `combine_sharp` of the records of consecutive images is the
record of all of them, to the last bit: it consists of sums of integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Integers, Mask

LARGEST_HALO = 0.1
"""Largest excess of the neighbours of a sharp pixel, as a fraction of its own."""

MOST_NEIGHBOURS = 1
"""Largest number of strong pixels among the eight neighbours of a sharp one."""

LARGEST_NEIGHBOUR = 0.4
"""The same of the second brightest neighbour; on a steep background it is about as bright."""

LEAST_SIGMA = 5.0
"""Smallest excess of a sharp pixel, in units of the standard deviation of its background."""

UNITS = 16
"""Excesses are in sixteenths of a count, so that sums do not depend on their order."""

# fewer pixels around one do not determine the background below it
_LEAST_INNER, _LEAST_OUTER = 3, 5


class Sharp(NamedTuple):
    """Records (n,) of pixels that are sharp on any image, by ascending key.

    Attributes
    ----------
    key : index of the pixel among those of all panels.
    n : images on which it is sharp.
    segments : segments of the run, of consecutive images, in which it is; the first and the last.
    peak, halo : sum of its excess above the background, and of the mean excess of its neighbours,
        in sixteenths of a count.
    """

    key: Integers
    n: Integers
    segments: Integers
    first: Integers
    last: Integers
    peak: Integers
    halo: Integers


def no_sharp() -> Sharp:
    """Return the record of no image."""
    none = np.empty(0, np.int64)
    return Sharp(none, none, none, none, none, none, none)


def sharp_on_image(
    image: NDArray[Any],
    mask: Mask,
    limits: tuple[float, float],
    x: NDArray[np.int32],
    y: NDArray[np.int32],
    *,
    pedestal: float = 0.0,
    gain: float = 1.0,
) -> tuple[Integers, Integers, Integers]:
    """Return which of the strong pixels x, y (n,) of an image (slow, fast), listed row by row, are
    sharp: indices (m,), and of those the excess and that of the neighbours (m,), in sixteenths of a
    count.

    mask : (slow, fast), True is good. limits : values strictly between the two are used.
    pedestal, gain : counts without photons, and counts per photon.
    """
    which, peak, halo = (np.empty(x.size, np.int64) for _ in range(3))
    n = int(_sharp(image, mask, *limits, pedestal, gain, x, y, which, peak, halo))
    return which[:n], peak[:n], halo[:n]


def sharp_on_images(key: Integers, segment: Integers, peak: Integers, halo: Integers) -> Sharp:
    """Return the record of sharp pixels (n,) listed image by image.

    segment : number of the segment of the run that the image of each belongs to.
    """
    one = np.ones(key.size, np.int64)
    return _joined(Sharp(key, one, one, segment, segment, peak, halo))


def combine_sharp(parts: Sequence[Sharp]) -> Sharp:
    """Return the record of the images of all parts, which are consecutive."""
    if len(parts) == 1:
        return parts[0]
    return _joined(Sharp(*(np.concatenate(column) for column in zip(*parts, strict=True))))


def _joined(listed: Sharp) -> Sharp:
    """Return a list with one record a pixel; those of a pixel are in the order of images."""
    if not listed.key.size:
        return no_sharp()
    order = np.argsort(listed.key, kind="stable")
    s = Sharp(*(column[order] for column in listed))
    is_new = np.concatenate([[True], s.key[1:] != s.key[:-1]])
    starts = np.flatnonzero(is_new)
    ends = np.append(starts[1:], s.key.size) - 1
    again = np.zeros(s.key.size, np.int64)
    again[1:] = ~is_new[1:] & (s.last[:-1] == s.first[1:])
    n, segments, peak, halo = (
        np.add.reduceat(column, starts) for column in (s.n, s.segments - again, s.peak, s.halo)
    )
    return Sharp(s.key[starts], n, segments, s.first[starts], s.last[ends], peak, halo)


@njit(cache=True, nogil=True, error_model="numpy")
def _sharp(
    image: Any,
    mask: Any,
    low: Any,
    high: Any,
    pedestal: Any,
    gain: Any,
    x: Any,
    y: Any,
    which: Any,
    peak: Any,
    halo: Any,
) -> int:
    """List the sharp pixels; return their number.

    The brightest of the eight neighbours may be bad as well. The background is the mean of the 16
    pixels around those without the brightest quarter, which may be of another spot.
    """
    height, width = image.shape
    top = np.empty(4)
    found, above_it, below_it = 0, 0, 0
    least = pedestal + LEAST_SIGMA * gain
    for p in range(x.size):
        value = np.float64(image[y[p], x[p]])
        if value < least:
            continue
        n_strong = 0
        if p > 0 and y[p - 1] == y[p] and x[p - 1] == x[p] - 1:
            n_strong += 1
        if p + 1 < x.size and y[p + 1] == y[p] and x[p + 1] == x[p] + 1:
            n_strong += 1
        above_it, n = _strong_near(x, y, above_it, x[p], y[p] - 1)
        n_strong += n
        below_it, n = _strong_near(x, y, below_it, x[p], y[p] + 1)
        if n_strong + n > MOST_NEIGHBOURS:
            continue
        inner, n_inner = 0.0, 0
        brightest, second = -np.inf, -np.inf
        outer, n_outer = 0.0, 0
        top[:] = -np.inf
        for j in range(max(0, y[p] - 2), min(height, y[p] + 3)):
            for i in range(max(0, x[p] - 2), min(width, x[p] + 3)):
                v = np.float64(image[j, i])
                if not (mask[j, i] and low < v < high):
                    continue
                if abs(j - y[p]) <= 1 and abs(i - x[p]) <= 1:
                    if j != y[p] or i != x[p]:
                        inner, n_inner = inner + v, n_inner + 1
                        second = max(second, min(v, brightest))
                        brightest = max(brightest, v)
                    continue
                outer, n_outer = outer + v, n_outer + 1
                for k in range(4):  # keep the four largest, in descending order
                    if v > top[k]:
                        v, top[k] = top[k], v
        if n_inner < _LEAST_INNER or n_outer < _LEAST_OUTER:
            continue
        near = (inner - brightest) / (n_inner - 1)
        n_top = n_outer // 4
        for k in range(n_top):
            outer -= top[k]
        background = outer / (n_outer - n_top)
        above, around = value - background, near - background
        variance = gain * max(background - pedestal, gain)
        if (
            above >= LEAST_SIGMA * np.sqrt(variance)
            and around <= LARGEST_HALO * above
            and second - background <= LARGEST_NEIGHBOUR * above
        ):
            which[found] = p
            peak[found] = np.int64(np.rint(UNITS * above))
            halo[found] = np.int64(np.rint(UNITS * around))
            found += 1
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _strong_near(x: Any, y: Any, start: Any, column: Any, row: Any) -> Any:
    """Return the first strong pixel from `start` on that is not before row, column - 1; and the
    number of those in the row from there to column + 1.
    """
    while start < x.size and (y[start] < row or (y[start] == row and x[start] < column - 1)):
        start += 1
    n = 0
    while start + n < x.size and y[start + n] == row and x[start + n] <= column + 1:
        n += 1
    return start, n
