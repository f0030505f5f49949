"""Lattices from triplets of basis vectors, ranked by the spots that they index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from dxdask.arrays import Floats
from dxdask.indexing.evidence import evidence
from dxdask.indexing.lattice_fit import FEWEST_INDEXED, Lattice, fit, indices_near
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.reduction import inverse, niggli_reduced, primitive

MOST_VECTORS = 100
MOST_TRIPLETS = 500
SMALLEST_ANGLE_DEG = 20.0
FLATTEST = 0.01
SAMPLE = 3000
SAME_LATTICE = 0.1
LEAST_EVIDENCE = 0.6


def triplets(vectors: Floats) -> Iterator[Floats]:
    """Yield direct bases (3, 3), rows a, b, c, of vectors (n, 3), sorted best first.

    Triplets come by rising sum of their indices, without those that have an angle below 20 degrees
    or lie nearly in one plane. Axes are reversed so that angles are obtuse where they can be.
    """
    v = vectors[:MOST_VECTORS]
    n = len(v)
    unit = v / np.linalg.norm(v, axis=1, keepdims=True)
    cosines = np.abs(unit @ unit.T)
    apart = cosines < np.cos(np.deg2rad(SMALLEST_ANGLE_DEG))
    for total in range(3, 3 * n):
        for i in range(min(n, total // 3 + 1)):
            for j in range(i + 1, (total - i + 1) // 2):
                k = total - i - j
                if k >= n or not (apart[i, j] and apart[i, k] and apart[j, k]):
                    continue
                if abs(np.linalg.det(unit[[i, j, k]])) > FLATTEST:
                    yield _obtuse(v[[i, j, k]])


def _obtuse(basis: Floats) -> Floats:
    """Return the right-handed basis with b and c reversed where that makes angles obtuse."""
    a, b, c = basis
    b = -b if a @ b > 0 else b
    c = -c if a @ c + b @ c > 0 else c
    obtuse: Floats = np.array([a, b, c])
    return obtuse if np.linalg.det(obtuse) > 0 else -obtuse


def is_among(lattices: list[Lattice], a_matrix: Floats) -> bool:
    """Return true if A spans the same lattice as one of these, within a tenth of an index."""
    if not lattices:
        return False
    relation = np.linalg.inv([x.a_matrix for x in lattices]) @ a_matrix
    nearest = np.rint(relation)
    close = np.all(np.abs(relation - nearest) < SAME_LATTICE, axis=(1, 2))
    return bool(np.any(close & (np.abs(np.rint(np.linalg.det(nearest))) == 1)))


def is_plausible(lattice: Lattice, parameters: IndexParameters) -> bool:
    """Return true if the lattice indexes enough spots and its cell is not too small."""
    shortest = np.linalg.norm(np.linalg.inv(lattice.a_matrix), axis=1).min()
    return bool(
        lattice.n_indexed >= FEWEST_INDEXED
        and shortest >= parameters.min_cell
        and lattice.volume >= parameters.min_cell_volume
    )


def sample(rlp: Floats, n: int = SAMPLE) -> Floats:
    """Return about n of the points rlp (m, 3), at equal intervals."""
    return rlp[:: max(len(rlp) // n, 1)]


def find_lattices(
    vectors: Floats, rlp: Floats, reference: Floats, parameters: IndexParameters
) -> list[Lattice]:
    """Return the distinct lattices of triplets of basis vectors (n, 3), best first.

    See `distinct_lattices`.
    """
    return distinct_lattices(_bases(vectors, parameters), rlp, reference, parameters)


def _bases(vectors: Floats, parameters: IndexParameters) -> Iterator[Floats]:
    """Yield A (3, 3) of at most 500 triplets of vectors, without those of too small a volume."""
    for basis in islice(triplets(vectors), MOST_TRIPLETS):
        lengths = float(np.prod(np.linalg.norm(basis, axis=1)))
        if abs(np.linalg.det(basis)) >= max(lengths / 100.0, parameters.min_cell_volume):
            yield inverse(basis)


def distinct_lattices(
    a_matrices: Iterable[Floats], rlp: Floats, reference: Floats, parameters: IndexParameters
) -> list[Lattice]:
    """Return the distinct lattices among A (3, 3), those with most evidence first.

    Each is fitted to a sample of the points rlp (n, 3), transformed to its primitive cell, and
    reduced. At most `max_combinations` distinct ones are tried; those with less than 0.6 of the
    evidence for the best are left out.

    reference : (m, 3) random points of the region of the others, see `evidence`.
    """
    combine = parameters.basis_vector_combinations
    tolerance = parameters.index_assignment.simple.hkl_tolerance
    points = sample(rlp)
    found: list[Lattice] = []
    for a_matrix in a_matrices:
        if len(found) >= combine.max_combinations:
            break
        if is_among(found, a_matrix):
            continue
        lattice = fit(niggli_reduced(a_matrix), points, tolerance)
        hkl, near = indices_near(lattice.a_matrix, points, tolerance)
        smaller = primitive(lattice.a_matrix, hkl[near], threshold=combine.sys_absent_threshold)
        if smaller is not lattice.a_matrix:
            lattice = fit(smaller, points, tolerance)
        if is_plausible(lattice, parameters) and not is_among(found, lattice.a_matrix):
            found.append(lattice)
    return by_evidence(found, points, reference, tolerance)


def by_evidence(
    lattices: list[Lattice], points: Floats, reference: Floats, tolerance: float
) -> list[Lattice]:
    """Return the lattices with at least 0.6 of the evidence for the best, best first."""
    support = np.array([evidence(x.a_matrix, points, reference, tolerance) for x in lattices])
    order = np.argsort(-np.round(support, 6), kind="stable")
    return [lattices[i] for i in order if support[i] >= LEAST_EVIDENCE * support.max()]
