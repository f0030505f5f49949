"""Partiality of a reflection of a still against its excitation error.

The excitation error is the length of s0 + q less that of s0 (1/A). The partiality falls with it as
a Gaussian of standard deviation r, by size, mosaicity and bandwidth together, with a weak
Lorentzian tail, as blocks of finite size have: p(0) = 1 (compare the `offset` model of White 2015,
Acta Cryst. D71, 1400, and Sauter 2015, J. Synchrotron Rad. 22, 239).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from dxdask.arrays import Floats
from dxdask.prediction.stills.spread import TAIL_WIDTH


@njit(cache=True, nogil=True, error_model="numpy")
def gaussian(u):  # type: ignore[no-untyped-def]
    """Return the Gaussian at u standard deviations."""
    return math.exp(-0.5 * u * u)


@njit(cache=True, nogil=True, error_model="numpy")
def lorentzian(u):  # type: ignore[no-untyped-def]
    """Return the tail's shape at u standard deviations."""
    v = u / TAIL_WIDTH
    return 1.0 / (1.0 + v * v)


@njit(cache=True, nogil=True, error_model="numpy")
def partiality(u, tail):  # type: ignore[no-untyped-def]
    """Return p at u standard deviations. tail : share of the Lorentzian."""
    return (1.0 - tail) * gaussian(u) + tail * lorentzian(u)


@njit(cache=True, nogil=True, error_model="numpy")
def partiality_slope(u, tail):  # type: ignore[no-untyped-def]
    """Return dp/du."""
    of_tail = -2.0 * u / TAIL_WIDTH**2 * lorentzian(u) ** 2
    return tail * of_tail - (1.0 - tail) * u * gaussian(u)


@njit(cache=True, nogil=True, error_model="numpy")
def widened(radius, mosaic, s2):  # type: ignore[no-untyped-def]
    """Return the width of p, 1/A, at s2 = |q|^2 / 2. mosaic : variance of tilts, rad^2."""
    return math.sqrt(radius * radius + 2.0 * s2 * mosaic)


@njit(cache=True, nogil=True, error_model="numpy")
def _partialities(u, tail, out):  # type: ignore[no-untyped-def]
    for i in range(u.size):
        out[i] = partiality(u[i], tail[i])


def partialities(u: Floats, tail: Floats | float) -> Floats:
    """Return p (n,) at u (n,) standard deviations from the Ewald sphere. tail : (n,) or one."""
    out = np.empty_like(u)
    _partialities(u, np.broadcast_to(np.asarray(tail, np.float64), u.shape), out)
    return out
