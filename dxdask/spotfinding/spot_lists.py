"""Strong pixels listed spot by spot: sorted by label, or selected."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Integers
from dxdask.spotfinding.extract import Pixels
from dxdask.spotfinding.offsets import offsets_of

DROPPED = -1
OPEN = -2


class Divided(NamedTuple):
    """Complete spots, and those that may continue in the frames before or after.

    Attributes
    ----------
    closed : pixels of the complete spots of the right size, spot by spot.
    offsets : (spots + 1,) first pixel of each.
    open : pixels of the other spots, in the order given.
    label : the open spot of each of these, numbered from 0.
    sizes : numbers of complete spots: in all, too small, too large.
    """

    closed: Pixels
    offsets: Integers
    open: Pixels
    label: Integers
    sizes: tuple[int, int, int]


def divide(
    pixels: Pixels,
    label: Integers,
    n: int,
    *,
    limits: tuple[int, int],
    ends: tuple[int, int] | None,
) -> Divided:
    """Return the pixels of `n` spots, divided into complete and open spots.

    label : (pixels,) the spot of each. limits : smallest and largest number of pixels of a spot
    that is kept. ends : a spot with a pixel at either z is open; None: none is.
    """
    size, is_open = np.zeros(n, np.int64), np.zeros(n, np.bool_)
    first, last = ends or (0, 0)
    _measure(label, pixels.z, first, last, ends is not None, size, is_open)
    place, number, offsets = np.empty(n, np.int64), np.empty(n, np.int64), np.zeros(n + 1, np.int64)
    n_kept, n_all, n_small, n_large, n_open = _place(
        size, is_open, limits[0], limits[1], place, number, offsets
    )
    closed, rest = _empty(int(offsets[n_kept])), _empty(int(n_open))
    label_of_rest = np.empty(int(n_open), np.int64)
    _distribute(pixels, label, place, number, closed, rest, label_of_rest)
    sizes = int(n_all), int(n_small), int(n_large)
    return Divided(closed, offsets[: n_kept + 1].copy(), rest, label_of_rest, sizes)


def take_spots(
    pixels: Pixels, offsets: Integers, which: NDArray[np.intp]
) -> tuple[Pixels, Integers]:
    """Return the pixels and offsets of the spots `which`, in that order."""
    new = offsets_of(np.diff(offsets)[which])
    taken = _empty(int(new[-1]))
    _take(pixels, offsets, which, taken)
    return taken, new


def _empty(n: int) -> Pixels:
    panel, x, y, z = (np.empty(n, np.int32) for _ in range(4))
    return Pixels(panel, x, y, z, np.empty(n, np.float64))


@njit(cache=True, nogil=True, error_model="numpy")
def _measure(
    label: Any, z: Any, first: Any, last: Any, may_be_open: Any, size: Any, is_open: Any
) -> None:
    for i in range(label.size):
        size[label[i]] += 1
        if may_be_open and (z[i] == first or z[i] == last):
            is_open[label[i]] = True


@njit(cache=True, nogil=True, error_model="numpy")
def _place(
    size: Any, is_open: Any, smallest: Any, largest: Any, place: Any, number: Any, offsets: Any
) -> Any:
    """Set the position of the first pixel of each closed spot in the list, and number open spots.

    Returns the numbers of spots kept; of complete spots, those too small and too large; of pixels
    of open spots.
    """
    n_kept, n_all, n_small, n_large, n_open, pixels_open = 0, 0, 0, 0, 0, 0
    for s in range(size.size):
        if is_open[s]:
            place[s], number[s] = OPEN, n_open
            n_open += 1
            pixels_open += size[s]
            continue
        n_all += 1
        n_small += size[s] < smallest
        n_large += size[s] > largest
        if smallest <= size[s] <= largest:
            place[s] = offsets[n_kept]
            offsets[n_kept + 1] = offsets[n_kept] + size[s]
            n_kept += 1
        else:
            place[s] = DROPPED
    return n_kept, n_all, n_small, n_large, pixels_open


@njit(cache=True, nogil=True, error_model="numpy")
def _copy(source: Any, i: Any, to: Any, j: Any) -> None:
    to.panel[j], to.x[j], to.y[j], to.z[j] = source.panel[i], source.x[i], source.y[i], source.z[i]
    to.value[j] = source.value[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _distribute(
    pixels: Any, label: Any, place: Any, number: Any, closed: Any, rest: Any, label_of_rest: Any
) -> None:
    m = 0
    for i in range(label.size):
        s = label[i]
        if place[s] >= 0:
            _copy(pixels, i, closed, place[s])
            place[s] += 1
        elif place[s] == OPEN:
            _copy(pixels, i, rest, m)
            label_of_rest[m] = number[s]
            m += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _take(pixels: Any, offsets: Any, which: Any, taken: Any) -> None:
    m = 0
    for s in which:
        for i in range(offsets[s], offsets[s + 1]):
            _copy(pixels, i, taken, m)
            m += 1
