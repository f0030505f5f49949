"""Orientations of a known cell that index few spots, by the search that stills use.

It serves where DIALS's pinkindexer does (Gevorkov et al. 2020, Acta Cryst. A76, 121): the cell is
known, spots are few. The orientation is found by its shortest axis and the rotation about it
(`stills.search`), not by votes of single spots.
"""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats
from dxdask.indexing.methods.parameters import OrientationSearch
from dxdask.indexing.stills.known_cell import KnownCell
from dxdask.indexing.stills.search import search

WIDER = 5
INNER_FRACTIONS = (1.0, 0.6)


def find_a_matrices(
    rlp: Floats, known: KnownCell, *, parameters: OrientationSearch, tolerance: float
) -> list[Floats]:
    """Return A (3, 3), 1/A, of the primitive cell in orientations that index points rlp (m, 3).

    The search is made with all points, with those of lowest resolution, and with more candidates
    for the shortest axis.
    """
    q = np.ascontiguousarray(rlp)
    q = q[np.argsort(np.linalg.norm(q, axis=1), kind="stable")]
    found = []
    for fraction in INNER_FRACTIONS:
        for wider in (1, WIDER):
            inner = np.ascontiguousarray(q[: int(np.ceil(fraction * len(q)))])
            best = search(inner, known, parameters, wider * parameters.n_vectors, tolerance)
            if best is not None:
                found.append(best.a_matrix.copy())
    return found
