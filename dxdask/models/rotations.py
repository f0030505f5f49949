"""Rotations as vectors (axis times angle) and as matrices, by scipy.

Models themselves use `dxdask.models.vectors.rotation_matrix`: see there.
"""

from __future__ import annotations

import numpy as np
import scipy

from dxdask.arrays import Floats


def rotation_matrices(vectors: Floats) -> Floats:
    """Return the right-handed rotations (n, 3, 3) of rotation vectors (n, 3), rad."""
    return np.asarray(scipy.spatial.transform.Rotation.from_rotvec(vectors).as_matrix())


def rotation_vector(rotation: Floats) -> Floats:
    """Return the rotation vector (3,), rad, of a rotation matrix (3, 3)."""
    return np.asarray(scipy.spatial.transform.Rotation.from_matrix(rotation).as_rotvec())
