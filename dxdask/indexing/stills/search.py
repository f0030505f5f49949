"""The orientation of a known cell on one still: its shortest axis, then the rotation about it.

After TORO (Gasparotto et al. 2024, J. Appl. Cryst. 57, 931) and DIALS's real_space_grid_search
(Gildea et al. 2014, Acta Cryst. D70, 2652): the axis is searched for among directions spread over
a half sphere, and for each of the best the cell is rotated about it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from dxdask.arrays import Floats
from dxdask.indexing.methods.parameters import OrientationSearch
from dxdask.indexing.stills.known_cell import KnownCell
from dxdask.indexing.stills.least_squares import fit_lattice, indexed_by, invert3
from dxdask.indexing.stills.phases import (
    WORST_PHASE,
    best_apart,
    directions_needed,
    half_sphere,
    misfits_of_directions,
    refine_vector,
)
from dxdask.indexing.stills.rotations import best_rotation

FEWEST_DIRECTIONS = 500
DIRECTIONS_A_CANDIDATE = 50
APART = 2.0  # spacings of the directions between two candidates
LONGEST_OFF = 0.1  # of the length of the axis

# Reach, as a fraction of the outermost spots, and distance from integers in rounds of refinement.
VECTOR_ROUNDS = np.array([[0.5, 0.7, 0.85, 1.0, 1.0], [0.3, 0.25, 0.25, 0.2, 0.15]])
LATTICE_ROUNDS = np.array(
    [[0.35, 0.5, 0.65, 0.8, 0.9, 1.0, 1.0, 1.0], [0.3, 0.3, 0.3, 0.25, 0.25, 0.2, 0.15, 0.15]]
)


class Orientation(NamedTuple):
    """A of the primitive cell (3, 3), 1/A, and its quality (`indexed_by`)."""

    a_matrix: Floats
    quality: float


def search(
    q: Floats, known: KnownCell, parameters: OrientationSearch, n_vectors: int, tolerance: float
) -> Orientation | None:
    """Return the orientation of the known cell that indexes the spots best.

    q : (n, 3) of the spots, 1/A. n_vectors : number of candidates for the shortest axis.
    tolerance : largest distance of an index from an integer. None where no candidate is left.
    """
    lengths = np.sqrt((q * q).sum(axis=1))
    order = np.argsort(lengths, kind="stable")
    every = len(q) / min(len(q), parameters.max_spots)
    order = order[(np.arange(min(len(q), parameters.max_spots)) * every).astype(np.int64)]
    some, some_lengths = q[order], lengths[order]
    shortest = float(np.linalg.norm(known.basis[0]))
    n = directions_needed(shortest, some_lengths[-1])
    inner = len(some)
    if n > parameters.max_directions:
        reach = some_lengths[-1] * np.sqrt(parameters.max_directions / n)
        inner = max(int(np.searchsorted(some_lengths, reach)), min(20, len(some)))
        n = parameters.max_directions
    directions = _directions(max(n, FEWEST_DIRECTIONS))
    vectors = _axes(some, some_lengths, inner, directions, shortest, n_vectors)
    cell = _standing(known.basis)
    widest = max(cell[1, 1], float(np.hypot(cell[2, 1], cell[2, 2])))
    rotations = _rotations(int(2.0 * np.pi * widest * some_lengths[-1] / WORST_PHASE) + 1)
    lattice = np.empty((3, 3))
    rounds = LATTICE_ROUNDS * np.array([[lengths[order[-1]] * (1.0 + 1e-9)], [1.0]])
    quality = _best_lattice(some, q, lengths, vectors, cell, rotations, rounds, tolerance, lattice)
    return Orientation(lattice, quality) if quality > 0.0 else None


@lru_cache(maxsize=64)
def _directions(at_least: int) -> Floats:
    """Return at least this many directions (3, n), n of a series, so that few sets are cached."""
    step = int(np.ceil(np.log(at_least) / np.log(1.1)))
    directions = half_sphere(int(1.1**step))
    directions.flags.writeable = False
    return directions


@lru_cache(maxsize=64)
def _rotations(n: int) -> Floats:
    angle = np.arange(n) * (2.0 * np.pi / n)
    return np.stack([np.cos(angle), np.sin(angle)])


def _standing(basis: Floats) -> Floats:
    """Return the basis (3, 3) rotated so that a is along e1 and b in the plane of e1 and e2."""
    lower = np.linalg.cholesky(basis @ basis.T)
    return np.ascontiguousarray(lower * np.array([1.0, 1.0, np.sign(np.linalg.det(basis))]))


def _axes(
    q: Floats, lengths: Floats, inner: int, directions: Floats, length: float, n_vectors: int
) -> Floats:
    """Return the candidates (n, 3) for an axis of this length, A, best first.

    q : (n, 3), by rising `lengths`; the direction is found with the first `inner`, the vector
    with all.
    """
    n = directions.shape[1]
    misfit = np.empty(n)
    misfits_of_directions(q[:inner], directions, length, misfit)
    k = min(DIRECTIONS_A_CANDIDATE * n_vectors, n - 1)
    order = np.sort(np.argpartition(misfit, k)[:k])
    order = order[np.argsort(misfit[order], kind="stable")]
    chosen = np.empty(n_vectors, np.int64)
    apart = float(np.cos(APART * np.sqrt(2.0 * np.pi / n)))
    chosen = chosen[: best_apart(directions, order, apart, chosen)]
    vectors = np.ascontiguousarray(directions[:, chosen].T * length)
    vectors, scores = refined_vectors(q, lengths, vectors)
    off = np.abs(np.linalg.norm(vectors, axis=1) / length - 1.0)
    kept = np.flatnonzero(off < LONGEST_OFF)
    return np.ascontiguousarray(vectors[kept[np.argsort(scores[kept], kind="stable")]])


def refined_vectors(q: Floats, lengths: Floats, vectors: Floats) -> tuple[Floats, Floats]:
    """Return vectors (n, 3), A, refined against spots q (m, 3), and their scores (n,).

    The lowest score is the best. lengths : (m,) of the spots, 1/A. See `refine_vector`.
    """
    refined, scores = np.array(vectors, order="C"), np.empty(len(vectors))
    rounds = VECTOR_ROUNDS * np.array([[lengths.max() * (1.0 + 1e-9)], [1.0]])
    _refine_vectors(q, lengths, refined, rounds, scores)
    return refined, scores


@njit(cache=True, nogil=True, error_model="numpy")
def _refine_vectors(q: Any, lengths: Any, vectors: Any, rounds: Any, scores: Any) -> None:
    for i in range(vectors.shape[0]):
        scores[i] = refine_vector(q, lengths, vectors[i], rounds[0], rounds[1])


@njit(cache=True, nogil=True, error_model="numpy")
def _best_lattice(
    some: Any, q: Any, lengths: Any, vectors: Any, cell: Any, rotations: Any, rounds: Any,
    tolerance: Any, lattice: Any,
) -> float:  # fmt: skip
    """Fill `lattice` (3, 3) with the A that indexes q best; return the quality, 0 for none.

    Each vector is tried along and against the first axis of `cell`, as its reverse gives another
    lattice. The rotation is found with `some` of the spots, the fit is to all.
    """
    total = np.empty(rotations.shape[1])
    n = 2 * vectors.shape[0]
    bases = np.empty((n, 3, 3))
    misfit = np.empty(n)
    for i in range(n):
        axis = vectors[i // 2] if i % 2 == 0 else -vectors[i // 2]
        misfit[i] = best_rotation(some, axis, cell, rotations, total, bases[i])
    hkl = np.empty((q.shape[0], 3), np.int32)
    near = np.empty(q.shape[0], np.bool_)
    a_matrix = np.empty((3, 3))
    best = 0.0
    for i in np.argsort(misfit, kind="mergesort")[: max(n // 2, 1)]:
        if misfit[i] >= 1.0 or not invert3(bases[i], a_matrix):
            continue
        if fit_lattice(q, lengths, rounds[0], rounds[1], a_matrix, bases[i]) == 0:
            continue
        _, quality = indexed_by(q, bases[i], tolerance, hkl, near)
        if quality > best:
            best = quality
            lattice[:] = a_matrix
    return best
