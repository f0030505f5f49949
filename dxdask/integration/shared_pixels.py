"""Loops over the pixels that two reflections share on one frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.integration.pairs import (
    N_PAIR_SUMS,
    P_OF_SECOND,
    PPQ,
    PQ,
    PQQ,
    Q_OF_FIRST,
    PairSums,
    ordered_pairs,
)

if TYPE_CHECKING:
    from dxdask.integration.boxes import Ellipsoids


class Pairs(NamedTuple):
    """Pairs whose sums a block is adding up: places in its rows, and the sums (m, N_PAIR_SUMS)."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    sums: NDArray[np.int64]


def pairs_of(rows: NDArray[np.int64], shapes: Ellipsoids) -> Pairs:
    """Return the pairs of rows whose foregrounds may have pixels in common, with sums of 0."""
    inner, box = shapes.inner[rows], shapes.box[rows]
    order = np.argsort(inner[:, 0], kind="stable")
    n = _close_pairs(order, inner, box, np.empty((0, 2), dtype=np.int64))
    found = np.empty((n, 2), dtype=np.int64)
    _close_pairs(order, inner, box, found)
    found.sort(axis=1)
    return Pairs(
        np.ascontiguousarray(found[:, 0]),
        np.ascontiguousarray(found[:, 1]),
        np.zeros((n, N_PAIR_SUMS), dtype=np.int64),
    )


def shared(rows: NDArray[np.int64], pairs: Pairs) -> PairSums:
    """Return the sums of the pairs that have pixels in common."""
    some = pairs.sums[:, PQ] > 0
    first, second = rows[pairs.first[some]], rows[pairs.second[some]]
    return ordered_pairs(first, second, pairs.sums[some])


@njit(cache=True, nogil=True, error_model="numpy")
def _close_pairs(order: Any, inner: Any, box: Any, out: Any) -> int:
    """Return the number of pairs whose bounds meet in x, y and image; fill `out` if it has room.

    order: the rows, by their first pixel in x.
    """
    n = 0
    for k in range(len(order)):
        i = order[k]
        for m in range(k + 1, len(order)):
            j = order[m]
            if inner[j, 0] >= inner[i, 1]:
                break
            if inner[j, 2] >= inner[i, 3] or inner[i, 2] >= inner[j, 3]:
                continue
            if box[j, 4] >= box[i, 5] or box[i, 4] >= box[j, 5]:
                continue
            if n < len(out):
                out[n, 0], out[n, 1] = i, j
            n += 1
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def add_shared_pixels(
    frame: Any, mask: Any, trusted: Any, z: int, rows: Any, e: Any, owner: Any, terms: Any,
    starts: Any, weights: Any, distances: Any, first: Any, second: Any, sums: Any,
) -> None:  # fmt: skip
    """Add the pixels of one frame to the sums of the pairs that share them.

    Arguments as in `accumulate_frame`; starts: its profile. first, second, sums: of `Pairs`.
    """
    for k in range(len(first)):
        i, j = first[k], second[k]
        a, b = rows[i], rows[j]
        panel = e.panel_number[a]
        low, high = trusted[panel, 0], trusted[panel, 1]
        if z < max(e.box[a, 4], e.box[b, 4]) or z >= min(e.box[a, 5], e.box[b, 5]):
            continue
        da, db = terms[i, 0], terms[j, 0]
        if da > 1.0 or db > 1.0:
            continue
        fa, fb = terms[i, 1], terms[j, 1]
        x0 = max(e.inner[a, 0], e.inner[b, 0], e.panel[a, 0], e.panel[b, 0])
        x1 = min(e.inner[a, 1], e.inner[b, 1], e.panel[a, 1], e.panel[b, 1])
        y0 = max(e.inner[a, 2], e.inner[b, 2], e.panel[a, 2], e.panel[b, 2])
        y1 = min(e.inner[a, 3], e.inner[b, 3], e.panel[a, 3], e.panel[b, 3])
        for y in range(y0, y1):
            at_a = starts[i] + (y - e.inner[a, 2]) * (e.inner[a, 1] - e.inner[a, 0]) - e.inner[a, 0]
            at_b = starts[j] + (y - e.inner[b, 2]) * (e.inner[b, 1] - e.inner[b, 0]) - e.inner[b, 0]
            for x in range(x0, x1):
                if distances[at_a + x] + da > 1.0 or distances[at_b + x] + db > 1.0:
                    continue
                v = frame[y, x]
                if not (mask[y, x] and low < v < high):
                    continue
                p = np.int64(weights[at_a + x] * fa + 0.5)
                q = np.int64(weights[at_b + x] * fb + 0.5)
                sums[k, PQ] += p * q
                sums[k, PPQ] += p * p * q
                sums[k, PQQ] += p * q * q
                if owner[y, x] == i:
                    sums[k, Q_OF_FIRST] += q
                elif owner[y, x] == j:
                    sums[k, P_OF_SECOND] += p
