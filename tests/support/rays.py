"""Diffracted rays of Miller indices of a rotating crystal, by the kernels of refinement."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dxdask.arrays import Floats
from dxdask.geometry.rays import reflecting_angles, rotate, transform


def rays(
    hkl: NDArray[Any], setting: ArrayLike, s0: ArrayLike, m2: ArrayLike
) -> tuple[Floats, Floats]:
    """Return both diffracted rays of each Miller index.

    hkl: (n, 3) integers. setting: (3, 3), 1/Angstrom, r = R(m2, phi) setting h, which is S F U B
    for a goniometer with axes outside and inside the scanned one. s0: (3,), 1/Angstrom.
    m2: (3,), the rotation axis in the laboratory.
    Returns phi (n, 2), rad, in (-2 pi, 2 pi), and s1 (n, 2, 3), 1/Angstrom; [:, 0] enters the
    Ewald sphere and [:, 1] leaves it; NaN where the point does not meet it.
    """
    matrix, beam = np.array(setting, dtype=np.float64), np.array(s0, dtype=np.float64)
    axis = np.asarray(m2, dtype=np.float64) / np.linalg.norm(m2)
    phi, s1 = np.empty((len(hkl), 2)), np.empty((len(hkl), 2, 3))
    r, rotated = np.empty(3), np.empty(3)
    for n, index in enumerate(np.asarray(hkl, dtype=np.float64)):
        transform(matrix, index, r)
        phi[n] = reflecting_angles(r, beam, axis)
        for k in range(2):
            rotate(r, axis, np.cos(phi[n, k]), np.sin(phi[n, k]), rotated)
            s1[n, k] = beam + rotated
    return phi, s1
