"""Crossings of the Ewald sphere by a crystal that varies along its scan.

With A as it is at the start of each image and the end of the last, linear in between, a reflection
crosses the sphere where |s0 + R(phi) A(phi) h| - |s0| changes its sign. The signs at the ends of
images show each crossing once, however fast the crystal moves. Not every image is looked at: a tree
of stretches of the scan holds by how much A varies in each, and where no crystal within that bound
crosses, none is.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from dxdask.arrays import Floats, Integers
from dxdask.prediction.crossings import passes_by, point_at, static_crossings, times
from dxdask.prediction.one_crossing import add_crossings, off_sphere

_LEAF = 8
"""Images of a stretch that is not halved again."""
DEEPEST = 64
"""Stretches that may be waiting: more than any tree has levels."""


class Stretches(NamedTuple):
    """A binary tree of stretches of the scan, the first one all of it.

    Attributes
    ----------
    ends : (n, 2) first image and the one after the last.
    below : (n,) index of the first of its two halves, the second follows; -1 for none.
    centre : (n, 3, 3) A in its middle.
    spread : (n,) the largest |A(t) h - A h| / |A h| in it, of any h.
    """

    ends: Integers
    below: Integers
    centre: Floats
    spread: Floats


def stretches(points: Floats) -> Stretches:
    """Return the stretches of a crystal with A `points` (n_images + 1, 3, 3)."""
    ends, below, centre, spread = [(0, len(points) - 1)], [], [], []
    for first, last in ends:  # grows on the way
        middle = points[(first + last) // 2]
        change = points[first : last + 1] @ np.linalg.inv(middle) - np.eye(3)
        centre.append(middle)
        spread.append(float(np.linalg.norm(change, axis=(1, 2)).max()))
        below.append(len(ends) if last - first > _LEAF else -1)
        if last - first > _LEAF:
            half = (first + last) // 2
            ends += [(first, half), (half, last)]
    return Stretches(np.array(ends), np.array(below), np.array(centre), np.array(spread))


@njit(cache=True, nogil=True, error_model="numpy")
def slack_of(r: Any, s0: Any, spread: float) -> Any:
    """Return by how much the sides of `sphere_equation` may differ for r + dr, |dr| <= spread |r|.

    | |s0 + r + dr|^2 - |s0 + r|^2 | is at most |dr| (2 |r| + |dr| + 2 |s0|); 1/Angstrom^2.
    """
    length = math.sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2])
    beam = math.sqrt(s0[0] * s0[0] + s0[1] * s0[1] + s0[2] * s0[2])
    off = spread * length
    return 0.5 * off * (2.0 * length + off + 2.0 * beam)


@njit(cache=True, nogil=True, error_model="numpy")
def _walk(hkl: Any, first: int, last: int, scan: Any, found: Any, n: int) -> int:
    """Append to `found` the crossings in images first to last, half open; return their number."""
    points, turned, s0, m2 = scan.points, scan.turned, scan.s0, scan.m2
    x, slope = off_sphere(first, hkl, points, turned, s0, m2)
    for i in range(first, last):
        new_x, new_slope = off_sphere(i + 1, hkl, points, turned, s0, m2)
        there_and_back = x * slope < 0.0 and slope * new_slope < 0.0
        if (x > 0.0) != (new_x > 0.0) or there_and_back:
            n = add_crossings(i, x, new_x, hkl, scan, found, n)
        x, slope = new_x, new_slope
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def varying_crossings(hkl: Any, scan: Any, tree: Any, todo: Any, found: Any) -> int:
    """Fill `found` (m, 3), see `static_crossings`, for one hkl, a tuple; return their number.

    todo (DEEPEST,) : workspace.
    """
    n, last = 0, len(scan.points) - 1
    turned, s0, m2 = scan.turned, scan.s0, scan.m2
    centre, spread, ends, below = tree.centre, tree.spread, tree.ends, tree.below
    todo[0], left = 0, 1
    while left:
        left -= 1
        i = todo[left]
        r = times(centre, i, hkl)
        first, end = ends[i, 0], ends[i, 1]
        if len(scan.borders):
            short = abs(scan.borders[end] - scan.borders[first]) < math.pi
        else:
            short = (end - first) * abs(scan.width) < math.pi
        if passes_by(r, s0, m2, turned, first, end, short, slack_of(r, s0, spread[i])):
            continue
        if below[i] >= 0:
            todo[left], todo[left + 1] = below[i] + 1, below[i]
            left += 2
        else:
            n = _walk(hkl, first, end, scan, found, n)
    if scan.before < 0.0:
        r = point_at(scan.points, 0.0, hkl)
        n = static_crossings(r, scan, scan.before, 0.0, found, n)
    if scan.after > last:
        r = point_at(scan.points, float(last), hkl)
        n = static_crossings(r, scan, float(last), scan.after, found, n)
    return n
