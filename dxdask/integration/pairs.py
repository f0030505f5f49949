"""Sums over the pixels that two reflections share: integers, exact in any order of the frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Columns of the sums, int64 each, over the usable pixels in the foreground of both. P and Q are the
# weights of a pixel in the profiles of the first and the second.
(
    PQ,
    PPQ,
    PQQ,
    Q_OF_FIRST,  # Q over the pixels that are the first's own
    P_OF_SECOND,
    N_PAIR_SUMS,
) = range(6)


class PairSums(NamedTuple):
    """Sums of pairs of reflections that share pixels.

    first, second: (m,) int64, rows of the table of predictions, first < second; ascending.
    sums: (m, N_PAIR_SUMS) int64.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    sums: NDArray[np.int64]


def no_pairs() -> PairSums:
    """Return a record of no pairs."""
    none = np.zeros(0, dtype=np.int64)
    return PairSums(none, none, np.zeros((0, N_PAIR_SUMS), dtype=np.int64))


def add_pairs(parts: Sequence[PairSums]) -> PairSums:
    """Return the sums of all parts, equal pairs added up."""
    first = np.concatenate([p.first for p in parts])
    second = np.concatenate([p.second for p in parts])
    both = ordered_pairs(first, second, np.concatenate([p.sums for p in parts]))
    if not len(both.first):
        return both
    new = np.ones(len(both.first), dtype=bool)
    new[1:] = (np.diff(both.first) != 0) | (np.diff(both.second) != 0)
    starts = np.flatnonzero(new)
    return PairSums(
        both.first[starts], both.second[starts], np.add.reduceat(both.sums, starts, axis=0)
    )


def ordered_pairs(
    first: NDArray[np.int64], second: NDArray[np.int64], sums: NDArray[np.int64]
) -> PairSums:
    """Return the pairs in ascending order."""
    order = np.lexsort((second, first))
    return PairSums(first[order], second[order], sums[order])
