"""Intensities of overlapping reflections, fitted together.

A pixel that several reflections share holds a part of each: c = b + sum_k J_k p_k, p_k the fraction
of reflection k in it. Least squares over the pixels of all of them, each weighted as in the fit of
one reflection, gives the equations sum_k (sum p_i p_k) J_k = sum p_i (c - b), one for each
reflection. A reflection without neighbours has one of its own: the fit of `profile_fit`. So a pixel
counts by how much of either reflection it holds, and intensities are right however strong a
neighbour is. Source of the method: the deconvolution of Rossmann (1979), J. Appl. Cryst. 12, 225.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.integration.pairs import P_OF_SECOND, PPQ, PQ, PQQ, Q_OF_FIRST, PairSums

_SWEEPS = 300
_TOLERANCE = 1e-7
MOST_INFLATED = 10.0  # of a variance by neighbours; beyond, reflections are not told apart
# columns of the values of neighbours
_BOTH, _OWN2, _OTHER2, _IN_OWN = range(4)


class Neighbours(NamedTuple):
    """Reflections that share pixels with each of n: those of row i at [offsets[i], offsets[i + 1]).

    other: (m,) rows, ascending. values: (m, 4), sums of p q, p^2 q, p q^2 over the shared pixels
    and of q over the own ones of row i; p is the fraction of row i in a pixel, q the other's.
    """

    offsets: NDArray[np.int64]
    other: NDArray[np.int64]
    values: Floats


class JointFit(NamedTuple):
    """Joint fit of n reflections; each is a weighted sum of c - b over pixels.

    intensity: (n,) J. weight, weight2: (n,) sums of the weights and their squares over the pixels.
    slope: (n,) sum of weight^2 p. others: (n,) variance by the counts of neighbours. inflation:
    (n,) of the variance by them.
    """

    intensity: Floats
    weight: Floats
    weight2: Floats
    slope: Floats
    others: Floats
    inflation: Floats


def neighbours(pairs: PairSums, scale: Floats) -> Neighbours:
    """Return the neighbours of each reflection; scale : (n,) from weights to fractions."""
    a, b, s = pairs.first, pairs.second, pairs.sums.astype(np.float64)
    p, q = scale[a], scale[b]
    both = s[:, PQ] * p * q
    ppq, pqq = s[:, PPQ] * p * p * q, s[:, PQQ] * p * q * q
    row, other = np.concatenate([a, b]), np.concatenate([b, a])
    values = np.concatenate(
        [
            np.stack([both, ppq, pqq, s[:, Q_OF_FIRST] * q], axis=1),
            np.stack([both, pqq, ppq, s[:, P_OF_SECOND] * p], axis=1),
        ]
    )
    order = np.lexsort((other, row))
    lengths = np.bincount(row, minlength=len(scale))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Neighbours(offsets, other[order], values[order])


def fit_together(
    near: Neighbours, p: Floats, p2: Floats, p3: Floats, right: Floats, used: NDArray[np.bool_]
) -> JointFit:
    """Return the joint fit.

    Parameters
    ----------
    near : neighbours.
    p, p2, p3 : (n,) sums of the fractions of each reflection, their squares and cubes.
    right : (n,) sum p (c - b).
    used : (n,) reflections that are fitted; the others are taken as absent.
    """
    some = used & (p2 > 0)
    safe = np.where(some, p2, 1.0)
    j = np.where(some, right / safe, 0.0)
    out = JointFit(j, p / safe, 1.0 / safe, p3 / safe**2, np.zeros_like(p), np.ones_like(p))
    rows = np.flatnonzero(some & (np.diff(near.offsets) > 0))
    _solve(rows, near.offsets, near.other, near.values, safe, right, some, j)
    _weights(rows, *near, p, p2, p3, some, j, out.weight, out.weight2, out.slope, out.others)
    return out._replace(inflation=np.where(some, out.weight2 * safe, 1.0))


def held_by_others(
    near: Neighbours, intensity: Floats, variance: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return the counts of neighbours in the own pixels of each reflection (n,), their part, error.

    intensity, variance : (n,), of the neighbours. The part is the sum of their fractions in those
        pixels. The error is the variance of the counts by that of the intensities.
    """
    row = np.repeat(np.arange(len(intensity)), np.diff(near.offsets))
    held, n = near.values[:, _IN_OWN], len(intensity)
    counts = np.zeros(n)
    np.add.at(counts, row, held * intensity[near.other])
    part, error = np.zeros(n), np.zeros(n)
    np.add.at(part, row, held)
    np.add.at(error, row, held**2 * variance[near.other])
    return counts, part, error


@njit(cache=True, nogil=True, error_model="numpy")
def _solve(
    rows: Any, offsets: Any, other: Any, values: Any, p2: Any, right: Any, used: Any, j: Any
) -> None:
    """Solve the equations in place by the method of Gauss and Seidel, in the order of the rows."""
    for _ in range(_SWEEPS):
        worst = 0.0
        for i in rows:
            left = right[i]
            for k in range(offsets[i], offsets[i + 1]):
                if used[other[k]]:
                    left -= values[k, _BOTH] * j[other[k]]
            new = left / p2[i]
            worst = max(worst, abs(new - j[i]) / (1.0 + abs(new)))
            j[i] = new
        if worst < _TOLERANCE:
            break


@njit(cache=True, nogil=True, error_model="numpy")
def _between(offsets: Any, other: Any, values: Any, a: int, b: int) -> float:
    """Return the sum of p_a p_b."""
    k = offsets[a] + np.searchsorted(other[offsets[a] : offsets[a + 1]], b)
    if k < offsets[a + 1] and other[k] == b:
        return float(values[k, _BOTH])
    return 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _weights(
    rows: Any, offsets: Any, other: Any, values: Any, p: Any, p2: Any, p3: Any, used: Any, j: Any,
    weight: Any, weight2: Any, slope: Any, others: Any,
) -> None:  # fmt: skip
    """Fill the sums of the weights of each of `rows`, whose neighbours have no other neighbours.

    Its weight of a pixel is a_0 p + sum a_k q_k, a the row of the inverse of the equations.
    """
    for i in rows:
        members = np.empty(offsets[i + 1] - offsets[i] + 1, dtype=np.int64)
        at = np.empty(len(members), dtype=np.int64)
        members[0], n = i, 1
        for k in range(offsets[i], offsets[i + 1]):
            if used[other[k]]:
                members[n], at[n] = other[k], k
                n += 1
        m = np.zeros((n, n))
        for x in range(n):
            m[x, x] = p2[members[x]] * (1.0 + 1e-9)
            for y in range(x + 1, n):
                m[x, y] = _between(offsets, other, values, members[x], members[y])
                m[y, x] = m[x, y]
        first = np.zeros(n)
        first[0] = 1.0
        a = np.linalg.solve(m, first)
        total, own, more = a[0] * p[i], a[0] ** 2 * p3[i], 0.0
        for x in range(1, n):
            o, v = members[x], values[at[x]]
            total += a[x] * p[o]
            own += 2.0 * a[0] * a[x] * v[_OWN2] + a[x] ** 2 * v[_OTHER2]
            mixed = a[0] ** 2 * v[_OWN2] + 2.0 * a[0] * a[x] * v[_OTHER2] + a[x] ** 2 * p3[o]
            more += max(j[o], 0.0) * max(mixed, 0.0)
        weight[i], weight2[i] = total, max(a[0], 0.0)
        slope[i], others[i] = max(own, 0.0), more
