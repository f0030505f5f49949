"""Lattice of one still of unknown cell."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.arrays import Floats
from dxdask.indexing.reduction import niggli_reduced, primitive
from dxdask.indexing.stills.least_squares import fit_lattice, indexed_by, invert3
from dxdask.indexing.stills.parameters import StillIndexParameters
from dxdask.indexing.stills.search import LATTICE_ROUNDS, refined_vectors
from dxdask.indexing.stills.still import assign, evidence, quality_of
from dxdask.indexing.stills.transform import transform_peaks

MOST_AXES = 25
# Mean distance from integers, at most 0.15 for a spot; 0.13 for a vector that is no axis.
MEANINGFUL = 0.11
AS_GOOD = 0.85
FLATTEST = 0.05
NEEDLESS = 0.9
# A lattice of any cell fits noise better than one cell in any orientation.
MORE_EVIDENCE = 10.0


def lattice_of_still(q: Floats, parameters: StillIndexParameters | None = None) -> Floats | None:
    """Return A (3, 3), 1/A, of the reduced primitive cell from the spots of one still.

    It is the smallest cell of three peaks of the Fourier transform that indexes nearly as many
    spots as the best. None where it is not better than chance.

    q : (n, 3) scattering vectors of the spots, 1/A.
    """
    parameters = parameters or StillIndexParameters()
    q = np.ascontiguousarray(q[np.all(np.isfinite(q), axis=1)], dtype=np.float64)
    if not parameters.min_indexed <= len(q) <= parameters.max_spots:
        return None
    vectors = transform_peaks(q, parameters.blind)
    if len(vectors) < 3:
        return None
    lengths = np.sqrt((q * q).sum(axis=1))
    vectors, scores = refined_vectors(q, lengths, vectors)
    vectors = vectors[scores < MEANINGFUL]
    size = np.linalg.norm(vectors, axis=1)
    vectors = np.ascontiguousarray(vectors[np.argsort(size, kind="stable")][:MOST_AXES])
    tolerance = parameters.hkl_tolerance
    basis = np.empty((3, 3))
    if _smallest_good(q, vectors, tolerance, basis) <= 0.0:
        return None
    return _fitted(q, lengths, basis, parameters)


def _fitted(
    q: Floats, lengths: Floats, basis: Floats, parameters: StillIndexParameters
) -> Floats | None:
    """Return A, fitted and reduced, of a basis (3, 3) if it is better than chance."""
    tolerance = parameters.hkl_tolerance
    a_matrix = np.ascontiguousarray(np.linalg.inv(basis))
    rounds = LATTICE_ROUNDS * np.array([[lengths.max() * (1.0 + 1e-9)], [1.0]])
    if fit_lattice(q, lengths, rounds[0], rounds[1], a_matrix, basis) == 0:
        return None
    hkl, near = assign(q, a_matrix, tolerance)
    n = int(near.sum())
    if n < max(parameters.min_indexed, parameters.min_fraction * len(q)):
        return None
    found = evidence(quality_of(q, a_matrix, tolerance), len(q), tolerance)
    if found < parameters.min_evidence + MORE_EVIDENCE:
        return None
    smaller = primitive(a_matrix, hkl[near], threshold=NEEDLESS)
    return niggli_reduced(smaller)


@njit(cache=True, nogil=True, error_model="numpy")
def _smallest_good(q: Any, vectors: Any, tolerance: float, basis: Any) -> float:
    """Fill basis (3, 3) with the vectors of least volume that index nearly as well as the best.

    Returns their quality (`indexed_by`), 0 where there are none.
    """
    n = vectors.shape[0]
    inverse = np.empty((3, 3))
    three = np.empty((3, 3))
    hkl = np.empty((q.shape[0], 3), np.int32)
    near = np.empty(q.shape[0], np.bool_)
    n_triplets = n * (n - 1) * (n - 2) // 6
    quality, volume = np.zeros(n_triplets), np.zeros(n_triplets)
    at = 0
    for k in range(n):
        for j in range(k):
            for i in range(j):
                for m in range(3):
                    three[0, m], three[1, m], three[2, m] = (
                        vectors[i, m],
                        vectors[j, m],
                        vectors[k, m],
                    )
                volume[at] = _volume(three)
                if _flatness(three, volume[at]) > FLATTEST and invert3(three, inverse):
                    quality[at] = indexed_by(q, three, tolerance, hkl, near)[1]
                at += 1
    enough = AS_GOOD * quality.max() if n_triplets else 0.0
    best, least, at = 0.0, np.inf, 0
    for k in range(n):
        for j in range(k):
            for i in range(j):
                # 1 % smaller, lest rounding choose between equal lattices
                if quality[at] > 0.0 and quality[at] >= enough and volume[at] < 0.99 * least:
                    best, least = quality[at], volume[at]
                    for m in range(3):
                        basis[0, m], basis[1, m] = vectors[i, m], vectors[j, m]
                        basis[2, m] = vectors[k, m]
                at += 1
    return float(best)


@njit(cache=True, nogil=True, error_model="numpy")
def _volume(b: Any) -> float:
    cofactor0 = b[1, 1] * b[2, 2] - b[1, 2] * b[2, 1]
    cofactor1 = b[1, 2] * b[2, 0] - b[1, 0] * b[2, 2]
    cofactor2 = b[1, 0] * b[2, 1] - b[1, 1] * b[2, 0]
    return float(abs(b[0, 0] * cofactor0 + b[0, 1] * cofactor1 + b[0, 2] * cofactor2))


@njit(cache=True, nogil=True, error_model="numpy")
def _flatness(b: Any, volume: float) -> float:
    product = 1.0
    for i in range(3):
        product *= np.sqrt(b[i, 0] ** 2 + b[i, 1] ** 2 + b[i, 2] ** 2)
    return float(volume / product) if product > 0.0 else 0.0
