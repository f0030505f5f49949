"""Crystals brought to one setting, and told apart by form, from correlations of sparse pairs.

As in Brehm & Diederichs 2014 (Acta Cryst. D70, 101) and Gildea & Winter 2018 (D74, 405), each
crystal with each choice of its axes is a vector, and scalar products of vectors are fitted to the
correlations of pairs: here by the leading eigenvectors of the matrix of correlations, of which only
some pairs for each crystal are known, so that the work grows as the number of crystals. What
follows from the vectors is refined against the mean intensities of each form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.symmetry.operators import Rotation, inverse_of, product
from dxdask.symmetry.pair_correlations import (
    Choices,
    mean_correlations,
    neighbours,
    pair_correlations,
)

MOST_DIMENSIONS = 12
DENSE = 400
ALIKE = 0.5
"""Least cosine of the vectors of one form and setting."""
SEEDS = 20
ROUNDS = 20
SHRINK = 10.0
LEAST_CORRELATION = 0.1
MOST_FORMS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Forms:
    """Form and choice of axes of each crystal.

    Attributes
    ----------
    form : (n,) number of the form from 0, that of most crystals first; -1 for a crystal that is
        like no other. choice : (n,) number of the operator that brings it to the setting of its
        form. correlation : (n,) with the mean of the others of its form, nan where there is none.
    margin : (n,) that correlation less the one of the next best choice. n_pairs : of crystals that
        have enough common reflections to be compared.
    """

    form: NDArray[np.int64]
    choice: NDArray[np.int64]
    correlation: Floats
    margin: Floats
    n_pairs: int


def find_forms(
    choices: Choices, group: frozenset[Rotation], *, most: int, min_pairs: int, min_form_cc: float
) -> Forms:
    """Return the forms of crystals and the choices that bring each form to one setting.

    group : normal subgroup of the lattice's rotations that intensities were merged in; the choices
    are its cosets. most : neighbours of each crystal. min_form_cc : see `CosymParameters`.
    """
    n = choices.n_crystals
    form, choice = np.full(n, -1, np.int64), np.zeros(n, np.int64)
    table, n_pairs, left = difference_table(choices.operators, group), 0, np.arange(n)
    # the largest form hides the structure of the others: one is found at a time
    for number in range(MOST_FORMS):
        if len(left) < 2:
            break
        pairs = neighbours(len(left), most)
        own = np.column_stack([np.arange(len(left))] * 2)
        cc, count = pair_correlations(choices, left[np.concatenate([pairs, own])], min_pairs)
        compared = int((count[: len(pairs)].max(axis=1) >= min_pairs).sum())
        n_pairs += compared
        if not compared:
            break
        vectors = embedding(len(left), np.concatenate([pairs, own]), cc, count, table)
        near, found = largest_cluster(vectors)
        members, found = _one_form(choices, left, left[near], found, min_form_cc)
        if len(members) < 2:
            break
        form[members], choice[members] = number, found
        left = left[form[left] < 0]
    if not (form >= 0).any():
        form[:] = 0
    return _refined(choices, form, choice, n_pairs)


def difference_table(
    operators: Sequence[Rotation], group: frozenset[Rotation]
) -> NDArray[np.int64]:
    """Return the number (k, k) of the coset of a^-1 b, of a normal subgroup, for choices a, b.

    Crystal i under a against j under b correlates as i does against j under b a^-1.
    """
    number = {product(g, w): i for i, w in enumerate(operators) for g in group}
    return np.array([[number[product(b, inverse_of(a))] for b in operators] for a in operators])


def embedding(
    n: int,
    pairs: NDArray[np.int64],
    cc: Floats,
    count: NDArray[np.int64],
    table: NDArray[np.int64],
) -> Floats:
    """Return vectors (n, k, dimensions) of unit length, of each crystal under each choice.

    pairs : (m, 2), i <= j, each crystal with itself among them. cc, count : (m, k).
    """
    k = len(table)
    shape = (len(pairs), k, k)
    values = (cc * count / (count + SHRINK))[:, table]
    values[pairs[:, 0] == pairs[:, 1]] *= 0.5
    steps = np.arange(k)
    row = np.broadcast_to((pairs[:, 0] * k)[:, None, None] + steps[:, None], shape)
    column = np.broadcast_to((pairs[:, 1] * k)[:, None, None] + steps, shape)
    half = scipy.sparse.coo_array(
        (values.reshape(-1), (row.reshape(-1), column.reshape(-1))), shape=(n * k, n * k)
    ).tocsr()
    matrix = half + half.T
    weight = 1.0 / np.sqrt(np.maximum(np.asarray(abs(matrix).sum(axis=1)).ravel(), 1e-9))
    scaled = scipy.sparse.diags_array(weight) @ matrix @ scipy.sparse.diags_array(weight)
    values, found = _leading(scaled)
    vectors = found * np.sqrt(np.maximum(values, 1e-9)) * weight[:, None]
    length = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return np.asarray((vectors / length).reshape(n, k, -1))


def _leading(matrix: Any) -> tuple[Floats, Floats]:
    """Return the leading eigenvalues and eigenvectors, those above the size of the lowest one.

    The spectrum of noise is symmetric about zero.
    """
    if matrix.shape[0] <= DENSE:
        values, vectors = np.linalg.eigh(matrix.toarray())
        lowest = values[0]
    else:
        start = np.random.default_rng(1).standard_normal(matrix.shape[0])
        values, vectors = scipy.sparse.linalg.eigsh(matrix, k=MOST_DIMENSIONS, which="LA", v0=start)
        lowest = scipy.sparse.linalg.eigsh(
            matrix, k=1, which="SA", v0=start, return_eigenvectors=False
        )[0]
    order = np.argsort(-values)[:MOST_DIMENSIONS]
    values, vectors = values[order], vectors[:, order]
    kept = values > abs(min(float(lowest), 0.0))
    kept[0] = True
    return values[kept], vectors[:, kept]


def largest_cluster(vectors: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the crystals of the largest group of like vectors, and the choice of each.

    A group is what lies within 60 degrees of its mean; some crystals are tried as its start.
    """
    best = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for seed in np.unique(np.linspace(0, len(vectors) - 1, SEEDS).astype(np.int64)):
        centre = vectors[seed, 0]
        for _ in range(3):
            cosines = vectors @ centre
            chosen = cosines.argmax(axis=1)
            near = np.flatnonzero(cosines.max(axis=1) > ALIKE)
            if not len(near):
                break
            centre = vectors[near, chosen[near]].mean(axis=0)
            centre = centre / max(float(np.linalg.norm(centre)), 1e-12)
        if len(near) > len(best[0]):
            best = near, chosen[near]
    return best


def _one_form(
    choices: Choices,
    left: NDArray[np.int64],
    members: NDArray[np.int64],
    chosen: NDArray[np.int64],
    min_form_cc: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return crystals among `left` that are like the mean of `members`, and their choices."""
    for _ in range(ROUNDS):
        form, choice = np.full(choices.n_crystals, -1, np.int64), np.zeros_like(choices.offsets[0])
        choice = choice[: choices.n_crystals]
        form[members], choice[members] = 0, chosen
        scores = mean_correlations(choices, form, choice, 1)[left, 0]
        value, best = scores.max(axis=1), scores.argmax(axis=1)
        inside = form[left] == 0
        least = max(min_form_cc * float(np.median(value[inside])), LEAST_CORRELATION)
        near = value >= least
        same = np.array_equal(left[near], members) and np.array_equal(best[near], chosen)
        members, chosen = left[near], best[near]
        if same or len(members) < 2:
            break
    return members, chosen


def _refined(
    choices: Choices, form: NDArray[np.int64], choice: NDArray[np.int64], n_pairs: int
) -> Forms:
    """Return each crystal in the form and under the choice of the highest correlation."""
    n, k = len(form), len(choices.operators)
    placed = form >= 0
    for _ in range(ROUNDS):
        n_forms = int(form.max()) + 1
        scores = mean_correlations(choices, form, choice, n_forms).reshape(n, -1)
        best = scores.argmax(axis=1)
        new_form = np.where(placed, best // k, -1)
        new_choice = np.where(placed, best % k, 0)
        same = np.array_equal(new_form, form) and np.array_equal(new_choice, choice)
        form, choice = new_form, new_choice
        if same:
            break
    numbers, sizes = np.unique(form[placed], return_counts=True)
    order = numbers[np.lexsort((numbers, -sizes))]
    form = np.array([int(np.flatnonzero(order == f)[0]) if f >= 0 else -1 for f in form], np.int64)
    scores = mean_correlations(choices, form, choice, len(order))
    rows = np.arange(n)
    own = scores[rows, form, choice]
    others = scores[rows, form]
    others[rows, choice] = -np.inf
    following = others.max(axis=1) if k > 1 else np.full(n, np.nan)
    return Forms(
        form=form,
        choice=choice,
        correlation=np.where(placed, own, np.nan),
        margin=np.where(placed, own - following, np.nan),
        n_pairs=n_pairs,
    )
