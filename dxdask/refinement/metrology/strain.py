"""Small changes of a crystal's cell that its symmetry allows, as strains."""

from __future__ import annotations

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.models.crystal import b_matrix

_SYMMETRIC = np.array(
    [
        [[1, 0, 0], [0, 0, 0], [0, 0, 0]],
        [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
        [[0, 0, 0], [0, 0, 0], [0, 0, 1]],
        [[0, 0, 0], [0, 0, 1], [0, 1, 0]],
        [[0, 0, 1], [0, 0, 0], [1, 0, 0]],
        [[0, 1, 0], [1, 0, 0], [0, 0, 0]],
    ],
    dtype=np.float64,
)


def strain_basis(cell: tuple[float, ...], group: gemmi.SpaceGroup) -> Floats:
    """Return the strains (k, 3, 3) that keep the symmetry: B' = (1 + sum e_k S_k) B.

    They are the symmetric matrices, in the crystal's Cartesian frame, that the rotations of the
    Laue group leave as they are; orthonormal, so k is 1 (cubic) to 6 (triclinic).
    """
    b = b_matrix(cell)
    mean = np.zeros((6, 6))
    operators = [np.array(op.rot) / op.DEN for op in group.operations().sym_ops]
    norms = (_SYMMETRIC**2).sum(axis=(1, 2))
    for op in operators:
        # op turns fractional coordinates; its inverse transpose turns indices, and so B h
        turn = b @ np.linalg.inv(op).T @ np.linalg.inv(b)
        moved = turn @ _SYMMETRIC @ turn.T
        mean += np.einsum("iab,jab->ij", _SYMMETRIC, moved) / norms[:, None]
    mean /= len(operators)
    scaled = mean * np.sqrt(norms)[:, None] / np.sqrt(norms)[None, :]
    values, vectors = np.linalg.eigh((scaled + scaled.T) / 2)
    kept = vectors[:, values > 0.5].T / np.sqrt(norms)
    return np.asarray(np.einsum("ki,iab->kab", kept, _SYMMETRIC))


def orientations(a_matrices: Floats, cell: tuple[float, ...]) -> Floats:
    """Return the rotations U (n, 3, 3) that bring B of `cell` nearest to each A (n, 3, 3)."""
    left, _, right = np.linalg.svd(a_matrices @ np.linalg.inv(b_matrix(cell)))
    flip = np.sign(np.linalg.det(left @ right))
    right[:, 2] *= flip[:, None]
    return np.asarray(left @ right)


def rotations(vectors: Floats) -> Floats:
    """Return the matrices (n, 3, 3) of rotation vectors (n, 3), rad."""
    angle = np.linalg.norm(vectors, axis=1)
    axis = vectors / np.where(angle > 0, angle, 1.0)[:, None]
    k = np.zeros((len(vectors), 3, 3))
    k[:, 2, 1], k[:, 0, 2], k[:, 1, 0] = axis.T
    k -= k.transpose(0, 2, 1)
    sine, cosine = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    return np.asarray(np.eye(3) + sine * k + (1 - cosine) * (k @ k))
