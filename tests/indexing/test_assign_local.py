"""Assignment from neighbour to neighbour."""

from __future__ import annotations

import numpy as np
import pytest
from support.indexing_examples import experiments_of, spots_of
from support.mixed_lattices import mixed

from dxdask.columns import Flag, has_flag, n_rows, select
from dxdask.fate import SpotFate
from dxdask.indexing import IndexParameters, index
from dxdask.indexing.assign import assign
from dxdask.indexing.assign_local import assign_local, edges, largest_tree
from dxdask.indexing.parameters import IndexAssignment, LocalAssignment
from dxdask.indexing.reciprocal import map_centroids
from dxdask.indexing.sweeps import with_lattice
from dxdask.refinement import RefinementParameters

pytestmark = pytest.mark.jit
DEFAULT = LocalAssignment()


def drifting(angle_deg: float, *, n_runs: int = 1):
    """Spots of a crystal that rotates by so much about the beam over its scan, and experiments."""
    experiments = experiments_of("tP", n_runs=n_runs)
    spots = map_centroids(spots_of(experiments, sigma=0.05, outliers=0.3), experiments)
    phi = spots["phi_rad"]
    angle = np.deg2rad(angle_deg) * (phi - phi.min()) / np.ptp(phi)
    x, y, z = spots["rlp"].T
    cos, sin = np.cos(angle), np.sin(angle)
    spots["rlp"] = np.column_stack([cos * x - sin * y, sin * x + cos * y, z])
    return spots, experiments


def figures(spots, table):
    """Fractions: of true spots with their index, and of the others that are indexed."""
    true = spots["hkl"].any(axis=1)
    right = (table["hkl"] == spots["hkl"]).all(axis=1)
    return right[true].mean(), has_flag(table, Flag.INDEXED)[~true].mean()


@pytest.mark.parametrize("angle_deg", [0.0, 2.0])
def test_a_drifting_crystal_is_indexed_over_the_whole_scan(angle_deg):
    spots, experiments = drifting(angle_deg)
    right, by_chance = figures(spots, assign_local(spots, experiments, DEFAULT))
    assert right > 0.99
    assert by_chance < 0.03
    simple, of_noise = figures(spots, assign(spots, experiments, tolerance=0.3))
    assert of_noise > 3 * by_chance
    assert simple > 0.99 if not angle_deg else simple < 0.9


def test_runs_are_independent():
    spots, experiments = drifting(1.0, n_runs=2)
    both = assign_local(spots, experiments, DEFAULT)
    second = spots["experiment"] == 1
    alone = assign_local(select(spots, second), experiments, DEFAULT)
    np.testing.assert_array_equal(both["hkl"][second], alone["hkl"])


def test_order_of_the_spots_does_not_matter():
    spots, experiments = drifting(1.0)
    order = np.random.default_rng(3).permutation(n_rows(spots))
    table = select(assign_local(spots, experiments, DEFAULT), order)
    other = assign_local(select(spots, order), experiments, DEFAULT)
    assert (table["hkl"] == other["hkl"]).all(axis=1).mean() > 0.999


def test_two_trees_are_not_joined():
    """Spots of a second lattice between those of the first are in no tree with them."""
    example = mixed("oP", fractions=(1.0, 0.6), outliers=0.0)
    spots = map_centroids(example.spots, example.experiments)
    one = assign_local(spots, example.experiments, DEFAULT)
    other = example.lattice == 1
    assert has_flag(one, Flag.INDEXED)[~other].mean() > 0.98
    assert has_flag(one, Flag.INDEXED)[other].mean() < 0.05
    assert (one["fate"][other] == SpotFate.DISCONNECTED).mean() > 0.9
    both = with_lattice(example.experiments, example.crystals[1])
    table = assign_local(spots, both, DEFAULT)
    found = has_flag(table, Flag.INDEXED)
    assert found.mean() > 0.98
    assert (table["experiment"] == example.lattice)[found].mean() > 0.99


def test_pairs_within_epsilon_are_certain():
    a_matrix = np.eye(3) / 50.0
    hkl = np.array([[1, 0, 0], [2, 0, 0], [2, 1, 0], [12, 1, 0], [2, 2.3, 0]], dtype=float)
    found = edges(hkl @ a_matrix.T, np.zeros(5), a_matrix, DEFAULT)
    weight = {(int(i), int(j)): w for i, j, w in zip(found.i, found.j, found.weight, strict=True)}
    assert weight[0, 1] == 0.0
    assert weight[1, 3] > 0.99  # ten indices apart
    assert weight[2, 4] > 0.99  # 0.3 off
    members, indices = largest_tree(5, found, DEFAULT.l_min)
    assert members.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(indices - indices[0], (hkl[:3] - hkl[0]).astype(int))


def test_resolution_limit_and_single_spots():
    spots, experiments = drifting(0.0)
    d = 1.0 / np.linalg.norm(spots["rlp"], axis=1)
    table = assign_local(spots, experiments, DEFAULT, d_min=5.0)
    assert not has_flag(table, Flag.INDEXED)[d < 5.0].any()
    assert (table["fate"][d < 5.0] == SpotFate.BEYOND_D_MIN).all()
    one = assign_local(select(spots, np.arange(1)), experiments, DEFAULT)
    assert not has_flag(one, Flag.INDEXED).any()


def test_index_takes_the_method():
    experiments = experiments_of("tP")
    spots = spots_of(experiments, outliers=0.3)
    parameters = IndexParameters(index_assignment=IndexAssignment(method="local"))
    result = index(spots, experiments, parameters, RefinementParameters())
    true = spots["hkl"].any(axis=1)
    found = has_flag(result.reflections, Flag.INDEXED)
    assert found[true].mean() > 0.99
    assert found[~true].mean() < 0.05
