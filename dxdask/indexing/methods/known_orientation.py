"""Lattices of a known cell from approximate orientations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dxdask.arrays import Floats
from dxdask.indexing.lattice import by_evidence, distinct_lattices, is_among, sample
from dxdask.indexing.lattice_fit import FEWEST_INDEXED, Lattice, fit
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.reduction import niggli_reduced
from dxdask.indexing.stills.known_cell import KnownCell

ROUNDS = 10
FEWEST = 3
MOST_LATTICES = 50


def lattices_of_known_cell(
    a_matrices: Sequence[Floats],
    known: KnownCell,
    rlp: Floats,
    reference: Floats,
    parameters: IndexParameters,
) -> list[Lattice]:
    """Return the distinct lattices near A (3, 3) of the primitive cell, best first.

    Of each the orientation alone is fitted to the points rlp (n, 3), and all of A: few spots
    determine a rotation, but not a cell.

    reference : (m, 3) random points of the region of the others, see `evidence`.
    """
    tolerance = parameters.index_assignment.simple.hkl_tolerance
    points = sample(rlp)
    rigid: list[Lattice] = []
    for a_matrix in a_matrices:
        fitted = fit_rotation(a_matrix, known.basis, points, tolerance)
        if fitted is None or is_among(rigid, fitted):
            continue
        lattice = fit(niggli_reduced(fitted), points, tolerance, rounds=0)
        if lattice.n_indexed >= FEWEST_INDEXED:
            rigid.append(lattice)
        if len(rigid) == MOST_LATTICES:
            break
    free = distinct_lattices(a_matrices, rlp, reference, parameters)
    return by_evidence([*rigid, *free], points, reference, tolerance)


def fit_rotation(
    a_matrix: Floats, basis: Floats, points: Floats, tolerance: float
) -> Floats | None:
    """Return A = U B, 1/A, with the U that fits points (n, 3) best, from the inner ones to all.

    a_matrix : the start. basis : (3, 3) rows a, b, c of the known cell, A: B is its inverse. The
    rotation is that of least squares of U B h against the points (Kabsch 1976, Acta Cryst. A32,
    922). None where fewer than three points have an index within the tolerance.
    """
    b = np.linalg.inv(basis)
    size = np.linalg.norm(points, axis=1)
    a = nearest_rotation(a_matrix @ basis) @ b
    inner = np.sort(size)[min(2 * FEWEST_INDEXED, len(size) - 1)]
    for reach in np.geomspace(inner, size.max(), ROUNDS) * (1.0 + 1e-9):
        fractional = points @ np.linalg.inv(a).T
        hkl = np.rint(fractional)
        near = (np.abs(fractional - hkl).max(axis=1) <= tolerance) & np.any(hkl != 0, axis=1)
        near &= size <= reach
        if np.count_nonzero(near) < FEWEST:
            return None
        a = nearest_rotation(points[near].T @ (hkl[near] @ b.T)) @ b
    return np.asarray(a)


def nearest_rotation(matrix: Floats) -> Floats:
    """Return the rotation (3, 3) nearest to a matrix."""
    left, _, right = np.linalg.svd(matrix)
    handed = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    return np.asarray(left @ handed @ right)
