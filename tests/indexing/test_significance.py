"""Lattices of spots at random are refused, those of few spots of a crystal are not."""

from __future__ import annotations

import numpy as np
import pytest
from support.indexing_examples import experiments_of, primitive_a, spots_of

from dxdask.columns import n_rows, select
from dxdask.errors import ConvergenceError
from dxdask.indexing import IndexParameters, index
from dxdask.indexing.significance import LARGEST_CHANCE, SPENT, log10_chance
from dxdask.refinement import RefinementParameters

A = np.linalg.inv(np.diag([40.0, 50.0, 60.0]))


def points(n, n_random, seed):
    """Points near a lattice, and others of the same region."""
    rng = np.random.default_rng(seed)
    near = (rng.integers(-8, 9, (n, 3)) + 0.02 * rng.normal(size=(n, 3))) @ A.T
    return np.concatenate([near, rng.uniform(-8.5, 8.5, (n_random, 3)) @ A.T])


def test_a_few_spots_near_their_points_are_no_chance():
    reference = points(0, 2000, 0)
    for n in (14, 20, 40):
        found = points(n, n // 3, n)
        assert log10_chance(A, found, reference, spent=SPENT) < np.log10(LARGEST_CHANCE)


def test_spots_at_random_are_a_chance():
    reference = points(0, 2000, 0)
    for n in (10, 50, 1000):
        assert log10_chance(A, points(0, n, n), reference, spent=SPENT) == 0.0


def test_the_chance_does_not_depend_on_order_and_falls_with_spots():
    reference, found = points(0, 2000, 0), points(12, 6, 1)
    order = np.random.default_rng(0).permutation(len(found))
    one, other = (log10_chance(A, x, reference, spent=SPENT) for x in (found, found[order]))
    assert one == other
    more = np.concatenate([found, points(5, 0, 2)])
    assert log10_chance(A, more, reference, spent=SPENT) < one
    assert log10_chance(A, found, reference, spent=SPENT - 2) < one


def test_no_spots_are_a_chance():
    assert log10_chance(A, np.zeros((0, 3)), points(0, 100, 0), spent=SPENT) == 0.0


@pytest.mark.jit
def test_spots_at_random_have_no_lattice():
    experiments = experiments_of("oP")
    spots = select(spots_of(experiments, d_min=6.0), np.arange(30))
    rng = np.random.default_rng(3)
    n_images = experiments[0].scan.n_images
    size = experiments[0].detector[0].image_size
    for name, most in zip("xyz", (*size, n_images), strict=True):
        spots[name] = rng.uniform(0.0, most, n_rows(spots))
    with pytest.raises(ConvergenceError):
        index(spots, experiments, IndexParameters(fall_back=False), RefinementParameters())


@pytest.mark.jit
def test_few_spots_of_a_crystal_have_one():
    experiments = experiments_of("oP")
    spots = spots_of(experiments, d_min=6.0, outliers=0.2)
    few = np.sort(np.random.default_rng(1).choice(n_rows(spots), 30, replace=False))
    result = index(select(spots, few), experiments, IndexParameters(), RefinementParameters())
    relation = np.linalg.solve(
        primitive_a(experiments.crystals[0]), primitive_a(result.experiments.crystals[0])
    )
    np.testing.assert_allclose(relation, np.rint(relation), atol=0.05)
