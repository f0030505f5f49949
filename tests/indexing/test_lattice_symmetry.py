"""Reduction, lattice symmetry, conventional cells, and known symmetry."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.indexing_examples import LATTICES, experiments_of, primitive_a
from support.refinement_cases import some_rotation

from dxdask.indexing.conventional import CENTRING, centring_of
from dxdask.indexing.known_symmetry import apply_known_symmetry, bravais_lattice
from dxdask.indexing.lattice_symmetry import LOWEST_SPACE_GROUP, constrained, find_settings
from dxdask.indexing.parameters import KnownSymmetry
from dxdask.indexing.reduction import changed, niggli_change, niggli_reduced, primitive
from dxdask.models import Crystal, cell_of, space_group


def skewed(seed: int) -> np.ndarray:
    """An integer matrix of determinant 1 or -1 with entries of moderate size."""
    rng = np.random.default_rng(seed)
    out = np.eye(3, dtype=int)[rng.permutation(3)]
    for _ in range(4):
        i, j = rng.permutation(3)[:2]
        out[i] += rng.integers(-2, 3) * out[j]
    return out


@given(
    lengths=st.tuples(*[st.floats(10, 100)] * 3),
    angles=st.tuples(*[st.floats(70, 110)] * 3),
    seed=st.integers(0, 1000),
)
def test_reduced_cell_is_the_same_for_any_basis(lengths, angles, seed):
    a_matrix = Crystal.from_cell((*lengths, *angles), u_matrix=some_rotation(seed)).a
    change = niggli_change(a_matrix)
    assert round(np.linalg.det(change)) == 1
    reduced = changed(a_matrix, change)
    other = niggli_reduced(changed(a_matrix, skewed(seed)))
    np.testing.assert_allclose(cell_of(reduced)[:3], cell_of(other)[:3], rtol=1e-6)
    assert np.linalg.det(other) > 0


def test_a_change_of_basis_keeps_the_reciprocal_lattice_points():
    a_matrix = Crystal.from_cell((30, 41, 53, 80, 95, 101), u_matrix=some_rotation(2)).a
    hkl, change = np.array([2, -3, 5]), skewed(11)
    np.testing.assert_allclose(changed(a_matrix, change) @ (hkl @ change), a_matrix @ hkl)


@pytest.mark.parametrize(
    "larger",
    [
        [[2, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 1, 0], [-1, 1, 0], [0, 0, 1]],
        [[3, 0, 0], [1, 2, 0], [0, 1, 1]],
        [[1, 0, 0], [0, 5, 0], [2, 1, 1]],
        [[2, 0, 0], [0, 2, 0], [0, 0, 2]],
    ],
)
def test_a_cell_that_is_too_large_is_made_primitive(larger):
    a_matrix = Crystal.from_cell((30, 41, 53, 80, 95, 101)).a
    rng = np.random.default_rng(0)
    hkl = rng.integers(-10, 10, (500, 3))
    change = np.array(larger).T
    noise = rng.integers(-10, 10, (20, 3))
    found = primitive(changed(a_matrix, change), np.vstack([hkl @ change, noise]), threshold=0.9)
    np.testing.assert_allclose(
        cell_of(niggli_reduced(found)), cell_of(niggli_reduced(a_matrix)), rtol=1e-9
    )


def test_a_primitive_cell_is_left_alone():
    a_matrix = Crystal.from_cell((30, 41, 53, 80, 95, 101)).a
    hkl = np.random.default_rng(0).integers(-10, 10, (500, 3))
    assert primitive(a_matrix, hkl, threshold=0.9) is a_matrix
    plane = hkl * np.array([1, 1, 0])
    assert primitive(a_matrix, plane, threshold=0.9) is a_matrix
    assert primitive(a_matrix, hkl[:5] * 2, threshold=0.9) is a_matrix


@pytest.mark.parametrize("lattice", LATTICES)
def test_symmetry_and_conventional_cell_of_each_lattice(lattice):
    cell, _ = LATTICES[lattice]
    rng = np.random.default_rng(4)
    crystal = experiments_of(lattice).crystals[0]
    noisy = primitive_a(crystal) * (1 + rng.normal(scale=5e-4, size=(3, 3)))
    reduced = niggli_reduced(changed(noisy, skewed(7)))
    first, *others = find_settings(reduced, 5.0)
    assert first.lattice == lattice
    assert first.delta < 0.5
    assert all(s.lattice != lattice for s in others) or lattice in ("mP", "mC")
    assert find_settings(reduced, 5.0)[-1].lattice == "aP"
    group = gemmi.SpaceGroup(first.space_group)
    a_matrix = constrained(changed(reduced, first.change), group)
    np.testing.assert_allclose(sorted(cell_of(a_matrix)[:3]), sorted(cell[:3]), rtol=5e-3)
    assert gemmi.UnitCell(*cell_of(a_matrix)).is_compatible_with_spacegroup(group)
    assert np.linalg.det(a_matrix) > 0


@pytest.mark.parametrize(
    ("lattice", "n"),
    [("aP", 1), ("mP", 2), ("oP", 5), ("tP", 9), ("hP", 12), ("hR", 5), ("cP", 22), ("cI", 22)],
)
def test_number_of_settings(lattice, n):
    # As many as DIALS lists for a lattice of this symmetry.
    reduced = niggli_reduced(primitive_a(experiments_of(lattice).crystals[0]))
    assert len(find_settings(reduced, 0.5)) == n


def test_centring_letters():
    for letter, points in CENTRING.items():
        group = next(g for g in gemmi.spacegroup_table() if g.centring_type() == letter)
        to_primitive = np.array(group.centred_to_primitive().rot) / 24.0
        assert round(1 / abs(np.linalg.det(to_primitive))) == len(points)
        assert centring_of(np.rint(np.linalg.inv(to_primitive)).astype(int)) == letter
    assert centring_of(np.diag([1, 1, 2])) == "?"


@pytest.mark.parametrize("lattice", LATTICES)
def test_constraint_keeps_what_obeys_it_and_moves_little_what_does_not(lattice):
    crystal = experiments_of(lattice).crystals[0]
    group = crystal.gemmi_space_group
    np.testing.assert_allclose(constrained(crystal.a, group), crystal.a, atol=1e-12)
    noisy = crystal.a * (1 + np.random.default_rng(0).normal(scale=1e-3, size=(3, 3)))
    np.testing.assert_allclose(constrained(noisy, group), crystal.a, atol=1e-4)


@pytest.mark.parametrize("lattice", LATTICES)
def test_lowest_group_and_bravais_type_agree(lattice):
    assert bravais_lattice(space_group(LOWEST_SPACE_GROUP[lattice])) == lattice
    assert bravais_lattice(space_group(LATTICES[lattice][1])) == lattice


@pytest.mark.parametrize(
    "symbol", ["P 1 1 21", "I 1 2 1", "A 1 2 1", "R 3 2:R", "P 21 2 21", "A m m 2"]
)
def test_settings_that_are_not_the_reference(symbol):
    group = space_group(symbol)
    reference = gemmi.get_spacegroup_reference_setting(group.number)
    cell, _ = LATTICES[bravais_lattice(group)]
    start = Crystal.from_cell(cell, u_matrix=some_rotation(3), space_group=reference.xhm())
    if reference.centring_type() == "A":
        start = Crystal.from_cell((61.0, 50.0, 97.0, 90.0, 90.0, 90.0), space_group=symbol)
    known = KnownSymmetry(space_group=symbol)
    found = apply_known_symmetry(niggli_reduced(primitive_a(start)), known)
    assert found is not None
    assert found.space_group == group.xhm()
    assert found.gemmi_cell.is_compatible_with_spacegroup(group)
    relation = np.linalg.solve(primitive_a(found), primitive_a(start))
    np.testing.assert_allclose(relation, np.rint(relation), atol=1e-6)


@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("with_group", [True, False])
def test_known_cell_is_matched_within_the_tolerance(lattice, with_group):
    crystal = experiments_of(lattice).crystals[0]
    group = crystal.gemmi_space_group
    cell = crystal.unit_cell if with_group else cell_of(primitive_a(crystal))
    near = (*(1.04 * x for x in cell[:3]), *cell[3:])
    known = KnownSymmetry(unit_cell=near, space_group=group.xhm() if with_group else None)
    found = apply_known_symmetry(niggli_reduced(primitive_a(crystal)), known)
    assert found is not None
    np.testing.assert_allclose(found.unit_cell, cell, rtol=1e-6)
    far = (*(1.15 * x for x in cell[:3]), *cell[3:])
    known = KnownSymmetry(unit_cell=far, space_group=known.space_group)
    assert apply_known_symmetry(niggli_reduced(primitive_a(crystal)), known) is None


def test_nothing_known_is_the_reduced_cell():
    reduced = niggli_reduced(experiments_of("oP").crystals[0].a)
    found = apply_known_symmetry(reduced, KnownSymmetry())
    assert found is not None
    assert found.space_group == "P 1"
    np.testing.assert_array_equal(found.a, reduced)
