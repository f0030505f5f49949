"""Crossings of the Ewald sphere by one reflection during a scan."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from dxdask.arrays import Floats
from dxdask.geometry.rays import reflecting_angles, sphere_equation
from dxdask.models.vectors import Vector

TURN = 2.0 * math.pi


class ScanArrays(NamedTuple):
    """A scan for the kernels.

    Attributes
    ----------
    s0 : 1/Angstrom. m2 : the rotation axis. Both are tuples.
    points : (n_images + 1, 3, 3) S F A at the start of each image and the end of the last, or
    (1, 3, 3) of a static crystal.
    start : angle at the start of the first image, width : of an image, rad. borders :
    (n_images + 1,) angles at the ends of images that are not evenly spaced, rad; else (0,).
    before, after : first and last place accepted, images from the start of the scan; half open.
    ends : (2, 2) cosine and sine of the angles at these; short : whether they are less than half a
    turn apart. turned : (n_images + 1, 2) cosine and sine at the ends of images.
    beam_turns : (n_images + 1, 3, 3) rotations of rays to those of the beam at the ends of images;
    (0, 3, 3) of a static beam. See `with_varying_beam`.
    """

    s0: Vector
    m2: Vector
    points: Floats
    start: float
    width: float
    borders: Floats
    before: float
    after: float
    ends: Floats
    short: bool
    turned: Floats
    beam_turns: Floats


@njit(cache=True, nogil=True, error_model="numpy")
def angle_at(t: float, scan: Any) -> float:
    """Return the angle (rad) at place t, images from the start of the scan."""
    last = len(scan.borders) - 1
    if last < 0 or t < 0.0:
        return float(scan.start + t * scan.width)
    if t >= last:
        return float(scan.borders[last] + (t - last) * scan.width)
    i = int(t)
    return float(scan.borders[i] + (t - i) * (scan.borders[i + 1] - scan.borders[i]))


@njit(cache=True, nogil=True, error_model="numpy")
def place_at(angle: float, scan: Any) -> float:
    """Return the place of an angle (rad): the inverse of `angle_at`."""
    borders, last = scan.borders, len(scan.borders) - 1
    if last < 0 or (angle - scan.start) / scan.width < 0.0:
        return float((angle - scan.start) / scan.width)
    off = (angle - borders[last]) / scan.width
    if off >= 0.0:
        return float(last + off)
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) // 2
        if (angle - borders[middle]) / scan.width >= 0.0:
            low = middle
        else:
            high = middle
    return float(low + (angle - borders[low]) / (borders[low + 1] - borders[low]))


@njit(cache=True, nogil=True, error_model="numpy")
def times(points: Any, i: int, hkl: Any) -> Any:
    """Return A h, a tuple, of the matrix i of `points` (n, 3, 3).

    Tuples, as arrays that small functions hand on cost more than what these do with them.
    """
    h, k, l = hkl
    return (
        points[i, 0, 0] * h + points[i, 0, 1] * k + points[i, 0, 2] * l,
        points[i, 1, 0] * h + points[i, 1, 1] * k + points[i, 1, 2] * l,
        points[i, 2, 0] * h + points[i, 2, 1] * k + points[i, 2, 2] * l,
    )


@njit(cache=True, nogil=True, error_model="numpy")
def point_at(points: Any, t: float, hkl: Any) -> Any:
    """Return A h, a tuple, with A at place t: linear between `points`, constant outside."""
    last = len(points) - 1
    if last == 0:
        return times(points, 0, hkl)
    t = min(max(t, 0.0), float(last))
    i = min(int(t), last - 1)
    f, r = t - i, times(points, i, hkl)
    if f == 0.0:
        return r
    there = times(points, i + 1, hkl)
    return (
        r[0] + f * (there[0] - r[0]),
        r[1] + f * (there[1] - r[1]),
        r[2] + f * (there[2] - r[2]),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def passes_by(
    r: Any, s0: Any, m2: Any, turned: Any, i: int, j: int, short: bool, slack: float
) -> bool:  # fmt: skip
    """Return True for an r that surely does not cross between two angles: cheap, and most do not.

    turned : (n, 2) cosine and sine of angles, of which i and j are the two; short : whether they
    are less than half a turn apart. slack : 1/Angstrom^2, uncertainty of the two sides of
    `sphere_equation`. Their difference is a sinusoid: where it has the same sign at both angles and
    its slope leads away from zero at one of them, it is nowhere nearer to zero than at both.
    """
    a, b, c = sphere_equation(r, s0, m2)
    beyond = abs(c) - slack
    if beyond > 0.0 and beyond * beyond > a * a + b * b:
        return True
    if not short:
        return False
    first = a * turned[i, 0] + b * turned[i, 1] - c
    last = a * turned[j, 0] + b * turned[j, 1] - c
    if not (min(first, last) > slack or max(first, last) < -slack):
        return False
    leads_away = first * (b * turned[i, 0] - a * turned[i, 1]) >= 0.0
    return bool(leads_away or last * (b * turned[j, 0] - a * turned[j, 1]) <= 0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _uneven_crossings(
    angles: Any, scan: Any, first: float, last: float, found: Any, n: int
) -> int:  # fmt: skip
    """Append to `found` the angles (2,), and whole turns from them, between two places."""
    sign = 1.0 if scan.width > 0.0 else -1.0
    begin, end = sign * angle_at(first, scan), sign * angle_at(last, scan)
    for i in range(2):
        angle = sign * angles[i]
        k = math.ceil((begin - angle) / TURN)
        while angle + k * TURN < end and n < len(found):
            found[n, 0] = sign * (angle + k * TURN)
            found[n, 1], found[n, 2] = place_at(found[n, 0], scan), 1.0 - i
            n += 1
            k += 1
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def static_crossings(r: Any, scan: Any, first: float, last: float, found: Any, n: int) -> int:
    """Append to `found` (m, 3) the crossings of r in [first, last), places; return their number.

    A row of `found` is the angle (rad), the place, and 1 for entering.
    """
    angles = reflecting_angles(r, scan.s0, scan.m2)
    if np.isnan(angles[0]):
        return n
    if len(scan.borders):
        return _uneven_crossings(angles, scan, first, last, found, n)
    turn = abs(TURN / scan.width)
    for i in range(2):
        base = (angles[i] - scan.start) / scan.width
        k = math.ceil((first - base) / turn)
        while base + k * turn < last and n < len(found):
            found[n, 0] = angles[i] + (k if scan.width > 0.0 else -k) * TURN
            found[n, 1], found[n, 2] = base + k * turn, 1.0 - i
            n += 1
            k += 1
    return n
