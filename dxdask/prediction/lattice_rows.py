"""Rows of lattice points, those with the same h and k, cut by a sphere."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def within(start: Any, step: Any, centre: Any, radius: float) -> Any:
    """Return the range of real l with start + l step in a sphere; an empty range for none."""
    a, b, c = 0.0, 0.0, -radius * radius
    for i in range(3):
        from_centre = start[i] - centre[i]
        a += step[i] * step[i]
        b += step[i] * from_centre
        c += from_centre * from_centre
    root = b * b - a * c
    if root < 0.0:
        return 1.0, 0.0
    root = np.sqrt(root)
    return (-b - root) / a, (-b + root) / a
