"""Intensities of overlapping reflections, fitted together.

A pixel that several reflections share holds a part of each: c = b + sum_k J_k p_k, p_k the fraction
of reflection k in it. Least squares over the pixels of all of them, with the weights w of
`weighted_pixels`, gives the equations sum_k (sum w p_i p_k) J_k = sum w p_i (c - b), one for each
reflection. A reflection that shares no pixel has w of 1: the fit of `profile_fit`. Intensities are
right whatever the weights, however strong a neighbour is. Source of the method: the deconvolution
of Rossmann (1979), J. Appl. Cryst. 12, 225.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.integration.pairs import (
    P_OF_SECOND,
    Q_OF_FIRST,
    WPQ,
    WWPPQ,
    WWPQ,
    WWPQQ,
    PairSums,
)
from dxdask.integration.weighted_pixels import MOST, SHIFT

_SWEEPS = 300
_TOLERANCE = 1e-7
MOST_INFLATED = 10.0  # of a variance by neighbours; beyond, reflections are not told apart
# columns of the values of neighbours
_BOTH, _SQUARES, _OWN2, _OTHER2, _IN_OWN = range(5)


class Neighbours(NamedTuple):
    """Reflections that share pixels with each of n: those of row i at [offsets[i], offsets[i + 1]).

    other: (m,) rows, ascending. values: (m, 5), sums of w p q, w^2 p q, w^2 p^2 q, w^2 p q^2 over
    the shared pixels and of q over the own ones of row i; p is the fraction of row i in a pixel, q
    the other's, w the weight of the pixel.
    """

    offsets: NDArray[np.int64]
    other: NDArray[np.int64]
    values: Floats


class PixelTotals(NamedTuple):
    """Sums over the pixels of n reflections, (n,), p the fraction in a pixel and w its weight.

    weight: of w p. information: of w p^2. right: of w p (c - b). squares: of w^2 p^2. cubes: of
    w^2 p^3.
    """

    weight: Floats
    information: Floats
    right: Floats
    squares: Floats
    cubes: Floats


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
    cut = float(1 << SHIFT)
    pq = p * q * cut**2
    both, squares = s[:, WPQ] * pq / MOST, s[:, WWPQ] * pq / MOST**2
    ppq, pqq = (s[:, k] * pq * one * cut / MOST**2 for k, one in ((WWPPQ, p), (WWPQQ, q)))
    row, other = np.concatenate([a, b]), np.concatenate([b, a])
    values = np.concatenate(
        [
            np.stack([both, squares, ppq, pqq, s[:, Q_OF_FIRST] * q], axis=1),
            np.stack([both, squares, pqq, ppq, s[:, P_OF_SECOND] * p], axis=1),
        ]
    )
    order = np.lexsort((other, row))
    lengths = np.bincount(row, minlength=len(scale))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Neighbours(offsets, other[order], values[order])


def fit_together(near: Neighbours, totals: PixelTotals, used: NDArray[np.bool_]) -> JointFit:
    """Return the joint fit.

    used : (n,) reflections that are fitted; the others are taken as absent.
    """
    some = used & (totals.information > 0)
    safe = np.where(some, totals.information, 1.0)
    j = np.where(some, totals.right / safe, 0.0)
    out = JointFit(
        intensity=j,
        weight=totals.weight / safe,
        weight2=totals.squares / safe**2,
        slope=totals.cubes / safe**2,
        others=np.zeros_like(j),
        inflation=np.ones_like(j),
    )
    rows = np.flatnonzero(some & (np.diff(near.offsets) > 0))
    _solve(rows, near.offsets, near.other, near.values, safe, totals.right, some, j)
    _weights(
        rows, *near, totals.weight, safe, totals.squares, totals.cubes, some, j,
        out.weight, out.weight2, out.slope, out.others, out.inflation,
    )  # fmt: skip
    return out


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
def _between(offsets: Any, other: Any, values: Any, a: int, b: int, column: int) -> float:
    """Return a value of the neighbours a and b; 0 where they are none."""
    k = offsets[a] + np.searchsorted(other[offsets[a] : offsets[a + 1]], b)
    if k < offsets[a + 1] and other[k] == b:
        return float(values[k, column])
    return 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _weights(
    rows: Any, offsets: Any, other: Any, values: Any, p: Any, p2: Any, squares: Any, cubes: Any,
    used: Any, j: Any, weight: Any, weight2: Any, slope: Any, others: Any, inflation: Any,
) -> None:  # fmt: skip
    """Fill the sums of the weights of each of `rows`, whose neighbours have no other neighbours.

    Its weight of a pixel is w (a_0 p + sum a_k q_k), a the row of the inverse of the equations.
    """
    for i in rows:
        members = np.empty(offsets[i + 1] - offsets[i] + 1, dtype=np.int64)
        at = np.empty(len(members), dtype=np.int64)
        members[0], n = i, 1
        for k in range(offsets[i], offsets[i + 1]):
            if used[other[k]]:
                members[n], at[n] = other[k], k
                n += 1
        m, m2 = np.zeros((n, n)), np.zeros((n, n))
        for x in range(n):
            o = members[x]
            m[x, x], m2[x, x] = p2[o] * (1.0 + 1e-9), squares[o]
            for y in range(x + 1, n):
                m[x, y] = _between(offsets, other, values, o, members[y], _BOTH)
                m2[x, y] = _between(offsets, other, values, o, members[y], _SQUARES)
                m[y, x], m2[y, x] = m[x, y], m2[x, y]
        first = np.zeros(n)
        first[0] = 1.0
        a = np.linalg.solve(m, first)
        total, own, more = a[0] * p[i], a[0] ** 2 * cubes[i], 0.0
        for x in range(1, n):
            o, v = members[x], values[at[x]]
            total += a[x] * p[o]
            own += 2.0 * a[0] * a[x] * v[_OWN2] + a[x] ** 2 * v[_OTHER2]
            mixed = a[0] ** 2 * v[_OWN2] + 2.0 * a[0] * a[x] * v[_OTHER2] + a[x] ** 2 * cubes[o]
            more += max(j[o], 0.0) * max(mixed, 0.0)
        flat = 0.0
        for x in range(n):
            for y in range(n):
                flat += a[x] * a[y] * m2[x, y]
        weight[i], weight2[i] = total, max(flat, 0.0)
        slope[i], others[i] = max(own, 0.0), more
        # of reflections in one place, whose equations are singular, it may be below 0
        inflation[i] = a[0] * p2[i] if a[0] > 0.0 else np.inf
