"""Reflections that are absent by the symmetry of the crystal."""

from __future__ import annotations

from typing import Any

import gemmi
import numpy as np
from numba import njit
from numpy.typing import NDArray

_UNIT = 24  # translations are integers in 1/24, as in gemmi


def centring_translations(group: gemmi.SpaceGroup) -> NDArray[np.int64]:
    """Return the translations (n, 3) of the centring, in 1/24, without the identity."""
    moved = [t for t in group.operations().cen_ops if any(t)]
    return np.array(moved, dtype=np.int64).reshape(len(moved), 3)


@njit(cache=True, nogil=True, error_model="numpy")
def is_centring_absence(h: int, k: int, l: int, centring: Any) -> bool:
    """Return True if the reflection is absent by the centring, of `centring_translations`."""
    for i in range(len(centring)):
        if (h * centring[i, 0] + k * centring[i, 1] + l * centring[i, 2]) % _UNIT != 0:
            return True
    return False


def is_absent(hkl: NDArray[np.int32], group: gemmi.SpaceGroup) -> NDArray[np.bool_]:
    """Return True (n,) where hkl (n, 3) is absent by the centring, screw axes or glide planes."""
    return np.asarray(group.operations().systematic_absences(hkl), dtype=np.bool_)
