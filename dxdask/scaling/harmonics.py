"""Real spherical harmonics of unit vectors.

Orthonormal over the sphere, for l from 1 to l_max and m from -l to l; the constant, l = 0, is left
out. Normalised associated Legendre functions follow from the stable recursion in l (Press et al.
2007, Numerical Recipes, 6.7), divided by sin(theta)^m, which goes with cos(m phi) and sin(m phi)
into a polynomial of x and y: no angle is computed.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats


@njit(cache=True, nogil=True, error_model="numpy")
def _add_harmonics(vectors, l_max, factor, out):  # type: ignore[no-untyped-def]
    for i in range(vectors.shape[0]):
        x, y, z = vectors[i, 0], vectors[i, 1], vectors[i, 2]
        c, s = 1.0, 0.0
        first = np.sqrt(1.0 / (4.0 * np.pi)) * factor
        for m in range(l_max + 1):
            if m > 0:
                c, s = x * c - y * s, x * s + y * c
                first *= np.sqrt((2.0 * m + 1.0) / (2.0 * m))
            before, now = 0.0, first
            for l in range(m, l_max + 1):
                if l > m:
                    a = np.sqrt((4.0 * l * l - 1.0) / (l * l - m * m))
                    k = l - 1.0
                    b = np.sqrt((k * k - m * m) / (4.0 * k * k - 1.0)) if k > m else 0.0
                    before, now = now, a * (z * now - b * before)
                if l == 0:
                    continue
                place = l * l - 1 + l
                if m == 0:
                    out[i, place] += now
                else:
                    out[i, place + m] += np.sqrt(2.0) * now * c
                    out[i, place - m] += np.sqrt(2.0) * now * s


def n_harmonics(l_max: int) -> int:
    """Return the number of harmonics from l = 1 to `l_max`."""
    return (l_max + 1) ** 2 - 1


def mean_harmonics(first: Floats, second: Floats, l_max: int) -> NDArray[np.float32]:
    """Return harmonics (n, n_harmonics), the means of those of two unit vectors (n, 3) each."""
    out = np.zeros((len(first), n_harmonics(l_max)), dtype=np.float32)
    for vectors in (first, second):
        _add_harmonics(np.ascontiguousarray(vectors), l_max, 0.5, out)
    return out
