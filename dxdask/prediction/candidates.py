"""Lattice points of a crystal that may cross the Ewald sphere during a scan."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from dxdask.prediction.absences import is_centring_absence
from dxdask.prediction.crossings import passes_by
from dxdask.prediction.lattice_rows import within
from dxdask.prediction.varying import slack_of


@njit(cache=True, nogil=True, error_model="numpy")
def candidates(
    first_row: int, largest: Any, cell: Any, radius: float, centring: Any, scan: Any, tree: Any,
    hkl: Any,
) -> Any:  # fmt: skip
    """Fill hkl (n, 3) from rows of the lattice on, until one may not fit.

    Return the number of points and the next row. A row is one h and k, numbered from (-H, -K) with
    `largest` H, K. cell : (3, 3) A of the static crystal, whose points lie in a sphere of this
    radius, 1/Angstrom.
    """
    n, width = 0, 2 * largest[1] + 1
    a, spread, s0, m2 = tree.centre[0], tree.spread[0], scan.s0, scan.m2
    start, step, r, origin = np.empty(3), cell[:, 2].copy(), np.empty(3), np.zeros(3)
    ends, short = scan.ends, scan.short
    n_rows = (2 * largest[0] + 1) * width
    for row in range(first_row, n_rows):
        h, k = row // width - largest[0], row % width - largest[1]
        for i in range(3):
            start[i] = cell[i, 0] * h + cell[i, 1] * k
        low, high = within(start, step, origin, radius)
        if low > high:
            continue
        l_first, l_last = math.ceil(low), math.floor(high)
        if n + l_last - l_first + 1 > len(hkl):
            return n, row
        for l in range(l_first, l_last + 1):
            if (h == 0 and k == 0 and l == 0) or is_centring_absence(h, k, l, centring):
                continue
            for i in range(3):
                r[i] = a[i, 0] * h + a[i, 1] * k + a[i, 2] * l
            if passes_by(r, s0, m2, ends, 0, 1, short, slack_of(r, s0, spread)):
                continue
            hkl[n, 0], hkl[n, 1], hkl[n, 2] = h, k, l
            n += 1
    return n, n_rows
