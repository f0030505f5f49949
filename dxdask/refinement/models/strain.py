"""Strains of a crystal that keep its symmetry."""

from __future__ import annotations

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.models.crystal import b_matrix
from dxdask.refinement.models.metric_basis import metric_basis


def strain_basis(cell: tuple[float, ...], group: gemmi.SpaceGroup) -> Floats:
    """Return the strains (k, 3, 3) that keep the symmetry: B' = (1 + sum e_k S_k) B.

    They are symmetric matrices in the crystal's Cartesian frame, orthonormal, k from 1 (cubic) to 6
    (triclinic). A strain S changes the reciprocal metric tensor by 2 B^T S B, which is one of those
    that obey the group (`metric_basis`).
    """
    inverse = np.linalg.inv(b_matrix(cell))
    strains = inverse.T @ metric_basis(group) @ inverse
    orthonormal = np.linalg.qr(strains.reshape(-1, 9).T)[0].T
    return np.asarray(orthonormal.reshape(-1, 3, 3))


def orientations(a_matrices: Floats, cell: tuple[float, ...]) -> Floats:
    """Return the rotations U (n, 3, 3) for which U B, B of `cell`, is nearest to A (n, 3, 3)."""
    left, _, right = np.linalg.svd(a_matrices @ np.linalg.inv(b_matrix(cell)))
    flip = np.sign(np.linalg.det(left @ right))
    right[:, 2] *= flip[:, None]
    return np.asarray(left @ right)
