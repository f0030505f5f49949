"""Crystals of known cell on single stills: against the truth, beside noise, refused where wrong."""

import gemmi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.still_examples import (
    LYSOZYME,
    TETRAGONAL,
    crystal_of,
    misorientation,
    noise_of,
    random_rotation,
    still_of,
)

from dxdask.errors import InputError
from dxdask.fate import Fate
from dxdask.indexing.stills import KnownCell, StillIndexParameters
from dxdask.indexing.stills.still import index_still, separation
from dxdask.models.crystal import b_matrix, cell_of
from dxdask.models.rotations import rotation_matrices

pytestmark = pytest.mark.jit

KNOWN = KnownCell.of(LYSOZYME, "P43212")


def test_known_cell_is_primitive_reduced_and_leads_back():
    cell = (95.0, 95.0, 120.0, 90.0, 90.0, 90.0)
    known = KnownCell.of(cell, "I422")
    assert abs(np.linalg.det(known.basis)) == pytest.approx(np.prod(cell[:3]) / 2)
    lengths = np.linalg.norm(known.basis, axis=1)
    assert np.all(np.diff(lengths) > -1e-9)
    assert np.linalg.det(known.basis) > 0
    back = cell_of(np.linalg.inv(known.basis) @ known.to_conventional)
    assert back == pytest.approx(cell)


@pytest.mark.parametrize("cell", [(1.0, 2.0), (0.0, 1.0, 1.0, 90.0, 90.0, 90.0),
                                  (50.0, 50.0, 50.0, 170.0, 20.0, 20.0),
                                  (np.nan, 50.0, 50.0, 90.0, 90.0, 90.0)])  # fmt: skip
def test_cell_that_cannot_be(cell):
    with pytest.raises(InputError, match="cell"):
        KnownCell.of(cell)


@given(st.integers(0, 2**32 - 1))
def test_right_whatever_the_orientation(seed):
    rng = np.random.default_rng(seed)
    truth = crystal_of(LYSOZYME, rng)
    q, hkl = still_of(truth, rng)
    found = index_still(q, KNOWN)
    assert found.fate is Fate.INDEXED
    assert misorientation(found.a_matrices[0], truth, TETRAGONAL) < 0.3
    right = [np.all(found.hkl @ w.T == hkl, axis=1).mean() for w in TETRAGONAL]
    assert max(right) > 0.95


@pytest.mark.parametrize(
    ("cell", "group"),
    [
        ((92.9, 92.9, 130.4, 90, 90, 120), "P6122"),
        ((57.8, 57.8, 150.2, 90, 90, 90), "P41212"),
        ((42.1, 67.3, 55.0, 90, 103.4, 90), "P21"),
        ((31.0, 37.5, 45.2, 81.0, 76.0, 68.0), "P1"),
    ],
)
def test_cells_of_other_lattices(cell, group):
    known = KnownCell.of(cell, group)
    operators = [np.array(op.rot) / op.DEN for op in known.group.operations().sym_ops]
    symmetry = [np.linalg.inv(w).T for w in operators]
    for seed in range(5):
        rng = np.random.default_rng(seed)
        truth = crystal_of(cell, rng)
        q, _ = still_of(truth, rng, n=150)
        found = index_still(q, known)
        assert found.fate is Fate.INDEXED
        assert misorientation(found.a_matrices[0], truth, symmetry) < 0.3


def test_centred_cell_is_given_in_its_conventional_setting():
    cell = (78.0, 78.0, 78.0, 90.0, 90.0, 90.0)
    rng = np.random.default_rng(4)
    truth = crystal_of(cell, rng)
    q, _ = still_of(truth, rng, centring="I")
    found = index_still(q, KnownCell.of(cell, "I213"))
    assert cell_of(found.a_matrices[0]) == pytest.approx(cell, rel=0.01)
    of_crystal = found.hkl[found.lattice == 0]
    assert len(of_crystal) > 110
    assert np.all(of_crystal.sum(axis=1) % 2 == 0)


def test_same_spots_same_crystal_whatever_came_before():
    rng = np.random.default_rng(0)
    q, _ = still_of(crystal_of(LYSOZYME, rng), rng)
    first = index_still(q, KNOWN)
    index_still(still_of(crystal_of(LYSOZYME, rng), rng)[0], KNOWN)
    again = index_still(q, KNOWN)
    assert np.array_equal(first.a_matrices, again.a_matrices)
    assert np.array_equal(first.hkl, again.hkl)


@pytest.mark.parametrize("n", [0, 5, 10, 40, 200])
def test_no_lattice_on_noise(n):
    rng = np.random.default_rng(n)
    q, _ = still_of(crystal_of(LYSOZYME, rng), rng)
    for _ in range(10):
        found = index_still(noise_of(q, n, rng), KNOWN)
        assert found.fate is Fate.NOT_INDEXED
        assert len(found.a_matrices) == 0
        assert np.all(found.lattice == -1)


def test_crystal_among_noise():
    rng = np.random.default_rng(7)
    truth = crystal_of(LYSOZYME, rng)
    q, _ = still_of(truth, rng, n=60)
    found = index_still(np.vstack([q, noise_of(q, 60, rng)]), KNOWN)
    assert misorientation(found.a_matrices[0], truth, TETRAGONAL) < 0.3
    assert np.mean(found.lattice[:60] == 0) > 0.95


def test_spots_that_are_not_numbers_are_left_alone():
    rng = np.random.default_rng(8)
    q, _ = still_of(crystal_of(LYSOZYME, rng), rng)
    q[3] = np.nan
    found = index_still(q, KNOWN)
    assert found.fate is Fate.INDEXED
    assert found.lattice[3] == -1


def test_few_spots():
    rng = np.random.default_rng(9)
    right = 0
    for _ in range(20):
        truth = crystal_of(LYSOZYME, rng)
        q, _ = still_of(truth, rng)
        found = index_still(q[rng.permutation(len(q))[:16]], KNOWN)
        right += (
            len(found.a_matrices) and misorientation(found.a_matrices[0], truth, TETRAGONAL) < 1
        )
    assert right >= 18


@pytest.mark.parametrize("cell", [(79.2, 79.2, 76.0, 90, 90, 90), (158.4, 79.2, 38.0, 90, 90, 90)])
def test_cell_with_a_doubled_axis_is_refused(cell):
    rng = np.random.default_rng(10)
    q, _ = still_of(crystal_of(LYSOZYME, rng), rng)
    assert index_still(q, KnownCell.of(cell, "P222")).fate is Fate.CELL_DIFFERS


def test_tolerance_of_the_cell():
    rng = np.random.default_rng(11)
    q, _ = still_of(crystal_of(tuple(1.02 * x for x in LYSOZYME[:3]) + (90.0,) * 3, rng), rng)
    assert index_still(q, KNOWN).fate is Fate.INDEXED
    tight = {"known_symmetry": {"relative_length_tolerance": 0.005}}
    found = index_still(q, KNOWN, StillIndexParameters.model_validate(tight))
    assert found.fate is Fate.CELL_DIFFERS


def test_two_crystals_on_one_still():
    rng = np.random.default_rng(12)
    truths = [crystal_of(LYSOZYME, rng) for _ in range(2)]
    q = np.vstack([still_of(truths[0], rng, n=140)[0], still_of(truths[1], rng, n=90)[0]])
    one = index_still(q, KNOWN)
    assert len(one.a_matrices) == 1
    two = index_still(q, KNOWN, StillIndexParameters(max_lattices=3))
    assert two.fate is Fate.INDEXED
    assert len(two.a_matrices) == 2
    for a_matrix in two.a_matrices:
        assert min(misorientation(a_matrix, t, TETRAGONAL) for t in truths) < 0.5
    assert np.mean(two.lattice[:140] == 0) > 0.8
    assert np.mean(two.lattice[140:] == 1) > 0.8


def test_parts_of_one_crystal_are_not_two():
    rng = np.random.default_rng(17)
    truth = crystal_of(LYSOZYME, rng)
    slipped = rotation_matrices(np.array([[0.0, 0.03, 0.0]]))[0] @ truth @ TETRAGONAL[4]
    assert separation(slipped, truth, KNOWN) == pytest.approx(np.degrees(0.03), abs=1e-6)
    q = np.vstack([still_of(truth, rng, n=140)[0], still_of(slipped, rng, n=140)[0]])
    assert len(index_still(q, KNOWN, StillIndexParameters(max_lattices=2)).a_matrices) == 1
    apart = StillIndexParameters(max_lattices=2, minimum_angular_separation=1.0)
    assert len(index_still(q, KNOWN, apart).a_matrices) == 2


@pytest.mark.parametrize(
    "values",
    [{"min_indexed": 130}, {"min_fraction": 0.99}, {"min_evidence": 1e4}, {"max_spots": 100}],
)
def test_limits_refuse(values):
    rng = np.random.default_rng(13)
    q, _ = still_of(crystal_of(LYSOZYME, rng), rng)
    q = np.vstack([q, noise_of(q, 5, rng)])
    assert index_still(q, KNOWN).fate is Fate.INDEXED
    limited = StillIndexParameters.model_validate(values)
    assert index_still(q, KNOWN, limited).fate is Fate.NOT_INDEXED


def test_a_narrow_tolerance_indexes_fewer():
    rng = np.random.default_rng(14)
    q, _ = still_of(crystal_of(LYSOZYME, rng), rng, noise=6e-4)
    wide, narrow = (
        np.count_nonzero(index_still(q, KNOWN, StillIndexParameters(hkl_tolerance=t)).lattice == 0)
        for t in (0.3, 0.1)
    )
    assert 60 < narrow < wide


def test_direction_of_the_beam_does_not_matter():
    rng = np.random.default_rng(15)
    truth = crystal_of(LYSOZYME, rng)
    q, _ = still_of(truth, rng)
    rotation = random_rotation(rng)
    found = index_still(q @ rotation.T, KNOWN)
    assert misorientation(found.a_matrices[0], rotation @ truth, TETRAGONAL) < 0.3


def test_group_of_another_setting():
    cell = (38.0, 79.2, 79.2, 90.0, 90.0, 90.0)
    rng = np.random.default_rng(16)
    truth = random_rotation(rng) @ b_matrix(cell)
    q, _ = still_of(truth, rng)
    found = index_still(q, KnownCell.of(cell, gemmi.SpaceGroup("P 2 2 2")))
    assert cell_of(found.a_matrices[0])[:3] == pytest.approx(cell[:3], rel=0.01)


def indexed_of(n, m, **values):
    """Return on how many of 25 stills of n spots among m of noise the crystal is found."""
    parameters = StillIndexParameters.model_validate(values)
    right = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        truth = crystal_of(LYSOZYME, rng)
        q, _ = still_of(truth, rng, n=n)
        found = index_still(np.vstack([q, noise_of(q, m, rng)]), KNOWN, parameters)
        right += len(found.a_matrices) == 1 and separation(found.a_matrices[0], truth, KNOWN) < 1
    return right


ONCE = {"inner_fractions": (), "widened": False}


def test_repeated_attempts_find_more():
    once = indexed_of(30, 90, retry=ONCE)
    assert indexed_of(30, 90, retry={**ONCE, "widened": True}) > once
    assert indexed_of(30, 90, retry={**ONCE, "inner_fractions": (0.8, 0.6, 0.4)}) > once


def test_a_wider_search_finds_more():
    usual = indexed_of(30, 60, retry=ONCE)
    assert indexed_of(30, 60, retry=ONCE, search={"n_vectors": 1}) < usual
    assert indexed_of(30, 60, retry=ONCE, search={"max_spots": 30}) < usual
    assert indexed_of(60, 0, retry=ONCE, search={"max_directions": 100}) < 25
    assert indexed_of(60, 0, retry=ONCE) == 25
