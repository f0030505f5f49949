"""The choice among refined lattices: weighted, and by filters."""

from __future__ import annotations

import numpy as np
import pytest
from support.indexing_examples import experiments_of, primitive_a, spots_of

from dxdask.indexing import IndexParameters, index
from dxdask.indexing.parameters import FilterScorer, WeightedScorer
from dxdask.indexing.ranking import Solutions, filter_scores, is_multiple, weighted_scores
from dxdask.indexing.reduction import changed
from dxdask.refinement import RefinementParameters

CUBE = np.eye(3) / 50.0


def solutions(*rows):
    """Each row: a change of the axes of a cube, number of indexed spots, rmsd (mm)."""
    changes = [np.asarray(r[0], dtype=float) for r in rows]
    return Solutions(
        a_matrices=np.array([changed(CUBE, c) for c in changes]),
        volumes=np.array([50.0**3 * abs(np.linalg.det(c)) for c in changes]),
        n_indexed=np.array([float(r[1]) for r in rows]),
        rmsds=np.array([r[2] for r in rows]),
    )


ONE, DOUBLE = np.eye(3), np.diag([1.0, 2.0, 1.0])


def test_weighted_score_is_the_sum_of_logarithms():
    given = solutions((ONE, 500, 0.04), (DOUBLE, 1000, 0.02))
    np.testing.assert_allclose(weighted_scores(given, WeightedScorer()), [2.0, 1.0])
    only_volume = WeightedScorer(n_indexed_weight=0.0, rmsd_weight=0.0)
    np.testing.assert_allclose(weighted_scores(given, only_volume), [0.0, 1.0])
    squared = WeightedScorer(power=2, volume_weight=3.0)
    np.testing.assert_allclose(weighted_scores(given, squared), [2.0, 9.0])


def test_filters_prefer_the_small_cell_that_indexes_nearly_all():
    given = solutions((DOUBLE, 1000, 0.010), (ONE, 960, 0.012), (np.diag([0.5, 1, 1]), 500, 0.012))
    assert np.argmin(filter_scores(given, FilterScorer(volume_cutoff=3.0))) == 1
    # with the default the small half cell has the least volume of all, and others are beyond
    assert np.argmin(filter_scores(given, FilterScorer())) == 2
    lenient = FilterScorer(volume_cutoff=10.0, check_doubled_cell=False)
    assert np.argmin(filter_scores(given, lenient)) == 0


def test_filter_by_likelihood():
    given = solutions((ONE, 1000, 0.5), (2.1 * ONE, 1000, 0.1))
    assert np.argmin(filter_scores(given, FilterScorer())) == 1
    assert np.argmin(filter_scores(given, FilterScorer(likelihood_cutoff=0.3))) == 0


def test_multiples_of_a_cell_are_recognised():
    diagonal = np.array([[1.0, 0.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
    given = solutions((ONE, 950, 0.1), (diagonal, 1000, 0.1), (1.3 * ONE, 1000, 0.1))
    assert is_multiple(given).tolist() == [False, True, False]
    more = solutions((ONE, 500, 0.1), (diagonal, 1000, 0.1))
    assert is_multiple(more).tolist() == [False, False]


@pytest.mark.jit
@pytest.mark.parametrize("scorer", ["filter", "weighted"])
def test_either_scorer_finds_the_cell(scorer):
    experiments = experiments_of("mP")
    spots = spots_of(experiments, d_min=5.0, outliers=0.2)
    p = IndexParameters(basis_vector_combinations={"solution_scorer": scorer})
    result = index(spots, experiments, p, RefinementParameters())
    relation = np.linalg.solve(
        primitive_a(experiments.crystals[0]), result.experiments.crystals[0].a
    )
    np.testing.assert_allclose(relation, np.rint(relation), atol=0.02)
    assert abs(np.linalg.det(relation)) == pytest.approx(1.0, abs=0.02)
