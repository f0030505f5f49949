"""Cells that are too large, and cells that are too small."""

from __future__ import annotations

import numpy as np
import pytest
from support.indexing_examples import experiments_of, primitive_a, spots_of

from dxdask.columns import select
from dxdask.indexing import IndexParameters, index
from dxdask.indexing.reduction import changed, directions_modulo, niggli_reduced, primitive
from dxdask.indexing.superlattice import find_superlattice
from dxdask.refinement import RefinementParameters

EVERY = [(m, tuple(v)) for m in (2, 3) for v in directions_modulo(m).tolist()]
TRUTH = primitive_a(experiments_of("aP").crystals[0])


def indices(n=6):
    grid = np.arange(-n, n + 1)
    hkl = np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), axis=-1).reshape(-1, 3)
    return hkl[np.any(hkl != 0, axis=1)]


def is_same(first, second):
    relation = np.linalg.solve(first, second)
    whole = np.abs(relation - np.rint(relation)).max() < 0.05
    return whole and round(abs(np.linalg.det(relation))) == 1


def finer(modulus, vector):
    """A of a lattice whose direct cell is `modulus` times that of the truth."""
    new = np.eye(3)
    new[:, np.flatnonzero(vector)[0]] = np.array(vector) / modulus
    return TRUTH @ new


@pytest.mark.parametrize(("modulus", "vector"), EVERY)
def test_every_cell_that_is_a_multiple_is_reduced(modulus, vector):
    larger = niggli_reduced(finer(modulus, vector))
    rlp = indices(3) @ TRUTH.T
    hkl = np.rint(rlp @ np.linalg.inv(larger).T).astype(int)
    rng = np.random.default_rng(0)
    stray = rng.integers(-7, 8, (len(hkl) // 20, 3))  # 5 % of no lattice
    found = primitive(larger, np.concatenate([hkl, stray]), threshold=0.9)
    assert is_same(TRUTH, found)
    assert primitive(larger, np.concatenate([hkl, stray]), threshold=1.0) is larger


@pytest.mark.parametrize(("modulus", "vector"), EVERY)
def test_few_indices_show_a_multiple(modulus, vector):
    larger = niggli_reduced(finer(modulus, vector))
    rlp = np.random.default_rng(3).permutation(indices(3))[:12] @ TRUTH.T
    hkl = np.rint(rlp @ np.linalg.inv(larger).T).astype(int)
    assert is_same(TRUTH, primitive(larger, hkl, threshold=0.9))


def test_few_indices_of_a_primitive_cell_meet_no_condition():
    rng = np.random.default_rng(4)
    every = [rng.permutation(indices(3))[:n] for n in (6, 8, 10, 12, 15, 20) for _ in range(200)]
    reduced = [primitive(TRUTH, hkl, threshold=0.9) is not TRUTH for hkl in every]
    # one in a hundred by chance for each of the six primes
    assert np.mean(reduced) < 0.03


def test_indices_of_one_plane_but_one_show_no_multiple():
    plane = [(h, k, 0) for h in range(-3, 4) for k in range(-3, 4) if (h, k) != (0, 0)]
    hkl = np.array([*plane, (1, 0, 1)])
    assert primitive(TRUTH, hkl, threshold=0.9) is TRUTH


@pytest.mark.parametrize("modulus", [7, 11, 13])
def test_larger_multiples_are_reduced_too(modulus):
    larger = niggli_reduced(finer(modulus, (1, 2, 3)))
    hkl = np.rint(indices(3) @ TRUTH.T @ np.linalg.inv(larger).T).astype(int)
    assert is_same(TRUTH, primitive(larger, hkl, threshold=0.9))


@pytest.mark.parametrize(("modulus", "vector"), EVERY)
def test_spots_between_the_points_of_a_lattice_show_every_superlattice(modulus, vector):
    larger = finer(modulus, vector)
    rng = np.random.default_rng(1)
    points = indices(5)
    strong = points @ TRUTH.T
    weak = points @ larger.T
    between = np.any(np.abs(weak @ np.linalg.inv(TRUTH).T % 1.0 - 0.5) < 0.4, axis=1)
    weak = weak[between][:: 1 + between.sum() // 120]
    stray = rng.uniform(-0.1, 0.1, (200, 3))
    rlp = np.concatenate([strong, weak, stray])
    rlp = rlp + (rng.normal(size=rlp.shape) * 0.01) @ TRUTH.T
    found = find_superlattice(TRUTH, rlp, np.full(3, 0.01))
    assert found is not None
    assert found.modulus == modulus
    assert is_same(larger, found.a_matrix)


def test_spots_of_no_lattice_show_none():
    rng = np.random.default_rng(2)
    rlp = np.concatenate([indices(5) @ TRUTH.T, rng.uniform(-0.1, 0.1, (3000, 3))])
    for spread in (0.01, 0.03, 0.1):
        assert find_superlattice(TRUTH, rlp, np.full(3, spread)) is None


@pytest.mark.jit
def test_missed_superlattice_is_reported():
    experiments = experiments_of("oP")
    spots = spots_of(experiments, d_min=4.0, outliers=0.05)
    true, odd = np.any(spots["hkl"] != 0, axis=1), spots["hkl"][:, 2] % 2 == 1
    # a pseudo-translation c/2: 4 % of the spots of odd l are strong enough to be found
    few = np.random.default_rng(5).uniform(size=len(odd)) < 0.04
    spots = select(spots, np.flatnonzero(~(true & odd) | few))
    result = index(spots, experiments, IndexParameters(), RefinementParameters())
    cell = result.experiments.crystals[0].unit_cell
    np.testing.assert_allclose(sorted(cell[:3]), (35.5, 42.0, 55.0), rtol=0.01)
    (note,) = [m for m in result.messages if "pseudo-translation" in m]
    assert "1/2" in note
    assert "unit_cell=42.0" in note.replace("41.9", "42.0")
    every = spots_of(experiments, d_min=4.0, outliers=0.05)
    plain = index(every, experiments, IndexParameters(), RefinementParameters())
    assert not [m for m in plain.messages if "pseudo-translation" in m]


def test_change_of_axes_by_hand():
    assert is_same(changed(TRUTH, np.diag([2, 1, 1])), finer(2, (1, 0, 0)))
