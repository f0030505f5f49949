"""Correlations of pairs of crystals for each choice of axes, of some neighbours of each crystal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.symmetry.intensities import Intensities
from dxdask.symmetry.operators import Rotation, matrix_of, unique_under

GOLDEN = 0.6180339887498949


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """Mean intensities of each crystal by unique reflection, for each choice of its axes.

    Rows of choice a of crystal i are offsets[a, i] to offsets[a, i + 1].

    Attributes
    ----------
    operators : the choices, the identity first. n_unique : number of unique reflections.
    place : number of the unique reflection of each row, ascending. value : normalised intensity.
    """

    operators: tuple[Rotation, ...]
    n_unique: int
    n_crystals: int
    offsets: NDArray[np.int64]
    place: NDArray[np.int64]
    value: Floats


def intensities_of_choices(
    data: Intensities, n_crystals: int, operators: Sequence[Rotation], group: frozenset[Rotation]
) -> Choices:
    """Return the intensities of each crystal, merged in a group, under each operator."""
    keys = [unique_under(data.hkl @ matrix_of(w), group) for w in operators]
    unique = np.unique(np.concatenate([np.unique(k) for k in keys]))
    weight = 1.0 / data.sigma**2
    offsets, places, values, first = [], [], [], 0
    for key in keys:
        at = np.searchsorted(unique, key)
        combined, row = np.unique(data.crystal * len(unique) + at, return_inverse=True)
        total = np.bincount(row, weight, len(combined))
        places.append(combined % len(unique))
        values.append(np.bincount(row, weight * data.intensity, len(combined)) / total)
        starts = np.searchsorted(combined // len(unique), np.arange(n_crystals + 1))
        offsets.append(first + starts)
        first += len(combined)
    return Choices(
        operators=tuple(operators),
        n_unique=len(unique),
        n_crystals=n_crystals,
        offsets=np.array(offsets, dtype=np.int64),
        place=np.concatenate(places),
        value=np.concatenate(values),
    )


def neighbours(n: int, most: int) -> NDArray[np.int64]:
    """Return pairs (m, 2) of crystals, i < j: all, or about `most` for each of them.

    Crystals are joined at distances around a circle that the golden ratio spreads evenly, and to
    the next one, so that all are connected. The number of pairs grows as n.
    """
    if n - 1 <= most:
        i, j = np.triu_indices(n, 1)
        return np.column_stack([i, j])
    steps, k = {1}, 1
    while len(steps) < max(most // 2, 1):
        steps.add(1 + int((k * GOLDEN) % 1.0 * (n // 2)))
        k += 1
    i = np.arange(n)
    pairs = np.concatenate([np.column_stack([i, (i + s) % n]) for s in sorted(steps)])
    return np.unique(np.sort(pairs, axis=1), axis=0)


@njit(cache=True, nogil=True, error_model="numpy")
def _correlate(pairs, offsets, place, value, min_pairs, cc, count):  # type: ignore[no-untyped-def]
    for p in range(pairs.shape[0]):
        i, j = pairs[p, 0], pairs[p, 1]
        for a in range(offsets.shape[0]):
            r, s = offsets[0, i], offsets[a, j]
            r_end, s_end = offsets[0, i + 1], offsets[a, j + 1]
            n, x, y, xx, yy, xy = 0, 0.0, 0.0, 0.0, 0.0, 0.0
            while r < r_end and s < s_end:
                if place[r] < place[s]:
                    r += 1
                elif place[r] > place[s]:
                    s += 1
                else:
                    u, v = value[r], value[s]
                    n += 1
                    x += u
                    y += v
                    xx += u * u
                    yy += v * v
                    xy += u * v
                    r += 1
                    s += 1
            count[p, a] = n
            if n >= min_pairs:
                variance = (n * xx - x * x) * (n * yy - y * y)
                if variance > 0:
                    cc[p, a] = (n * xy - x * y) / np.sqrt(variance)


def pair_correlations(
    choices: Choices, pairs: NDArray[np.int64], min_pairs: int
) -> tuple[Floats, NDArray[np.int64]]:
    """Return correlations (m, k) of crystals i as they are and j under each operator, and counts.

    The correlation is 0 where there are fewer than `min_pairs` common reflections.
    """
    cc = np.zeros((len(pairs), len(choices.operators)))
    count = np.zeros(cc.shape, dtype=np.int64)
    _correlate(pairs, choices.offsets, choices.place, choices.value, min_pairs, cc, count)
    return cc, count


@njit(cache=True, nogil=True, error_model="numpy")
def _add(i, a, sign, offsets, place, value, total, seen):  # type: ignore[no-untyped-def]
    for r in range(offsets[a, i], offsets[a, i + 1]):
        total[place[r]] += sign * value[r]
        seen[place[r]] += sign


@njit(cache=True, nogil=True, error_model="numpy")
def _against_mean(i, a, offsets, place, value, total, seen):  # type: ignore[no-untyped-def]
    """Correlation of crystal i under choice a with a mean that it is not in."""
    n, x, y, xx, yy, xy = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for r in range(offsets[a, i], offsets[a, i + 1]):
        k = seen[place[r]]
        if k <= 0:
            continue
        u, v = value[r], total[place[r]] / k
        n += 1
        x += u
        y += v
        xx += u * u
        yy += v * v
        xy += u * v
    variance = (n * xx - x * x) * (n * yy - y * y)
    return (n * xy - x * y) / np.sqrt(variance) if n > 2 and variance > 0 else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _scores(form, choice, n_forms, offsets, place, value, total, seen, out):  # type: ignore[no-untyped-def]
    for i in range(len(form)):
        mine = form[i]
        if mine >= 0:
            _add(i, choice[i], -1, offsets, place, value, total[mine], seen[mine])
        for f in range(n_forms):
            for a in range(offsets.shape[0]):
                out[i, f, a] = _against_mean(i, a, offsets, place, value, total[f], seen[f])
        if mine >= 0:
            _add(i, choice[i], 1, offsets, place, value, total[mine], seen[mine])


def mean_correlations(
    choices: Choices, form: NDArray[np.int64], choice: NDArray[np.int64], n_forms: int
) -> Floats:
    """Return the correlations (n, n_forms, k) of each crystal with the mean of the others' forms.

    form, choice : (n,) of each crystal; form -1 for those in no form.
    """
    total = np.zeros((n_forms, choices.n_unique))
    seen = np.zeros((n_forms, choices.n_unique), dtype=np.int64)
    for i in np.flatnonzero(form >= 0):
        f = form[i]
        _add(i, choice[i], 1, choices.offsets, choices.place, choices.value, total[f], seen[f])
    out = np.zeros((choices.n_crystals, n_forms, len(choices.operators)))
    _scores(form, choice, n_forms, choices.offsets, choices.place, choices.value, total, seen, out)
    return out
