"""Evidence of spots for a lattice."""

from __future__ import annotations

import numpy as np
import pytest
from support.indexing_examples import experiments_of, primitive_a, spots_of

from dxdask.columns import n_rows, select
from dxdask.indexing.evidence import evidence, random_points
from dxdask.indexing.reciprocal import map_centroids
from dxdask.indexing.reduction import changed

TOLERANCE = 0.3


@pytest.fixture(scope="module")
def mapped():
    experiments = experiments_of("oP")
    return map_centroids(spots_of(experiments, d_min=6.0, outliers=0.2), experiments), experiments


def of(a_matrix, mapped):
    spots, experiments = mapped
    return evidence(a_matrix, spots["rlp"], random_points(spots, experiments), TOLERANCE)


def test_random_points_are_of_the_region_of_the_spots(mapped):
    spots, experiments = mapped
    points = random_points(spots, experiments)
    assert len(points) >= 2000
    size, ours = np.linalg.norm(spots["rlp"], axis=1), np.linalg.norm(points, axis=1)
    np.testing.assert_allclose(ours.max(), size.max(), rtol=1e-4)
    np.testing.assert_allclose(np.median(ours), np.median(size), rtol=0.05)
    np.testing.assert_array_equal(points, random_points(spots, experiments))


def test_random_points_of_a_thin_wedge_are_thin(mapped):
    spots, experiments = mapped
    wedge = select(spots, np.flatnonzero(spots["z"] < 2.0))
    points = random_points(wedge, experiments)
    seen, made = (np.linalg.eigvalsh(np.cov(p.T)) for p in (wedge["rlp"], points))
    assert made[0] < 2.0 * seen[0]
    assert n_rows(wedge) < 200


@pytest.mark.parametrize(
    "change",
    [np.diag([2, 1, 1]), np.diag([1, 1, 3]), np.array([[1, 0, 0], [1, 2, 0], [0, 0, 1]])],
)
def test_truth_has_more_than_its_multiples_and_fractions(mapped, change):
    truth = primitive_a(mapped[1].crystals[0])
    most = of(truth, mapped)
    assert most > 100.0
    assert of(changed(truth, change), mapped) < most
    assert of(changed(truth, np.linalg.inv(change)), mapped) < most


def test_another_lattice_has_none_worth_the_name(mapped):
    other = primitive_a(experiments_of("aP", seed=9).crystals[0])
    assert of(other, mapped) < 0.05 * of(primitive_a(mapped[1].crystals[0]), mapped)


def test_an_axis_that_no_spot_has_an_index_along_explains_nothing(mapped):
    spots, experiments = mapped
    wedge = select(spots, np.flatnonzero(spots["z"] < 2.0))
    truth = primitive_a(experiments.crystals[0])
    basis = np.linalg.inv(truth)
    normal = np.linalg.eigh(wedge["rlp"].T @ wedge["rlp"])[1][:, 0]
    along = int(np.argmax(np.abs(basis @ normal) / np.linalg.norm(basis, axis=1)))
    basis[along] = 3.5 * normal
    short = np.linalg.inv(basis)
    reference = random_points(wedge, experiments)
    support = [evidence(a, wedge["rlp"], reference, TOLERANCE) for a in (truth, short)]
    assert support[1] < 0.8 * support[0]
