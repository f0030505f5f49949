"""Several lattices in one sweep are found, and the spots shared out among them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.indexing_examples import LATTICES, experiments_of, spots_of
from support.mixed_lattices import mixed, shared_out
from support.refinement_cases import some_rotation

from dxdask.columns import Flag, check, concatenate, has_flag, n_rows, select
from dxdask.fate import SpotFate
from dxdask.indexing import IndexParameters, index
from dxdask.indexing.assign import assign
from dxdask.indexing.misorientation import misorientation
from dxdask.indexing.parameters import KnownSymmetry, MultipleLatticeSearch
from dxdask.indexing.reciprocal import map_centroids
from dxdask.indexing.sweeps import sweep_indices, with_lattice
from dxdask.models.vectors import matrix
from dxdask.refinement import RefinementParameters

pytestmark = pytest.mark.jit


def indexed(example, most: int, **options):
    search = MultipleLatticeSearch(max_lattices=most, **options.pop("search", {}))
    parameters = IndexParameters(multiple_lattice_search=search, **options)
    return index(example.spots, example.experiments, parameters, RefinementParameters())


@pytest.mark.parametrize(
    ("lattice", "fractions"),
    [
        ("oP", (1.0, 1.0)),
        ("tP", (1.0, 0.4)),
        pytest.param("oP", (1.0, 1.0, 1.0), marks=pytest.mark.slow),
        pytest.param("aP", (1.0, 0.6, 0.4), marks=pytest.mark.slow),
        pytest.param("cI", (1.0, 0.8, 0.6), marks=pytest.mark.slow),
    ],
)
def test_each_lattice_is_found_and_its_spots_are_given_to_it(lattice, fractions):
    example = mixed(lattice, fractions=fractions)
    result = indexed(example, most=len(fractions) + 1)
    assert len(result.experiments) == len(fractions)
    assert set(result.experiments.runs) == {"run1"}
    assert len({m.identifier for m in result.experiments.members}) == len(fractions)
    right, wrong = shared_out(example, result)
    assert min(right) > 0.98
    assert max(wrong) < 0.005
    check(result.reflections)
    for name in "xyz":
        np.testing.assert_array_equal(result.reflections[name], example.spots[name])
    true, found = example.lattice >= 0, has_flag(result.reflections, Flag.INDEXED)
    assert found[~true].mean() < 0.5
    rows = result.table("lattices").rows
    assert sum(r["n_indexed"] for r in rows) == found.sum()
    assert [r["lattice"] for r in rows] == list(range(1, len(fractions) + 1))


@pytest.mark.slow
def test_lattices_have_the_known_symmetry():
    cell, group = LATTICES["tP"]
    example = mixed("tP", fractions=(1.0, 0.7))
    known = KnownSymmetry(space_group=group, unit_cell=cell)
    result = indexed(example, most=2, known_symmetry=known)
    assert {c.space_group for c in result.experiments.crystals} == {"P 43 21 2"}
    assert min(shared_out(example, result)[0]) > 0.98


def test_models_other_than_the_crystal_are_shared():
    result = indexed(mixed("oP", fractions=(1.0, 0.5)), most=2)
    experiments = result.experiments
    assert [len(experiments.beams), len(experiments.detectors)] == [1, 1]
    assert len(experiments.crystals) == 2
    assert sweep_indices(experiments).tolist() == [0, 0]


def test_one_lattice_is_one_whatever_is_allowed():
    result = indexed(mixed("tP", fractions=(1.0,), outliers=0.3), most=3)
    assert len(result.experiments) == 1
    assert any(line.startswith("Lattice 2, searched among") for line in result.messages)


def test_only_as_many_as_allowed_are_searched():
    assert len(indexed(mixed("oP", fractions=(1.0, 0.8)), most=1).experiments) == 1


def test_no_lattice_is_searched_while_few_spots_are_left():
    example = mixed("oP", fractions=(1.0, 0.5))
    cutoff = {"recycle_unindexed_reflections_cutoff": 0.5}
    assert len(indexed(example, most=2, search=cutoff).experiments) == 1


def test_a_lattice_near_another_is_refused():
    example = mixed("oP", fractions=(1.0, 0.5), angle_deg=12.0)
    assert len(indexed(example, most=2).experiments) == 2
    result = indexed(example, most=2, search={"minimum_angular_separation": 15.0})
    assert len(result.experiments) == 1
    assert any("12.00 degrees from lattice 1" in line for line in result.messages)


@pytest.mark.slow
def test_a_lattice_of_one_of_two_runs_is_an_experiment_there_only():
    example = mixed("oP", fractions=(1.0, 1.0), n_runs=2)
    keep = (example.lattice != 1) | (example.spots["experiment"] == 1)
    example = replace(example, spots=select(example.spots, keep), lattice=example.lattice[keep])
    result = indexed(example, most=2)
    assert [m.run for m in result.experiments.members] == ["run1", "run2", "run2"]
    assert min(shared_out(example, result)[0]) > 0.98


@pytest.mark.parametrize("lattice", LATTICES)
def test_misorientation_is_the_smallest_over_the_symmetry(lattice):
    crystal = experiments_of(lattice).crystals[0]
    other = replace(crystal, a_matrix=matrix(some_rotation(5, 3.0) @ crystal.a))
    for op in list(crystal.gemmi_space_group.operations())[:8]:
        rotation = np.array(op.rot) / op.DEN
        equivalent = replace(other, a_matrix=matrix(other.a @ np.linalg.inv(rotation).T))
        assert misorientation(crystal, equivalent) == pytest.approx(3.0, abs=1e-6)
        assert misorientation(equivalent, crystal) == pytest.approx(3.0, abs=1e-6)


def test_other_cells_have_no_misorientation():
    first, second = (experiments_of(k).crystals[0] for k in ("oP", "tP"))
    assert misorientation(first, second) == 180.0


def two_lattices():
    experiments = experiments_of("oP")
    other = replace(
        experiments.crystals[0],
        a_matrix=matrix(some_rotation(4, 20.0) @ experiments.crystals[0].a),
    )
    parts = [spots_of(replace(experiments, crystals=(c,)), sigma=0.02)
             for c in (experiments.crystals[0], other)]  # fmt: skip
    spots = map_centroids(concatenate(parts), experiments)
    return spots, n_rows(parts[0]), with_lattice(experiments, other)


def test_assignment_does_not_depend_on_the_order_of_the_lattices():
    spots, n_first, experiments = two_lattices()
    table = assign(spots, experiments, tolerance=0.3)
    swapped = replace(experiments, crystals=experiments.crystals[::-1])
    other = assign(spots, swapped, tolerance=0.3)
    found = has_flag(table, Flag.INDEXED)
    np.testing.assert_array_equal(found, has_flag(other, Flag.INDEXED))
    np.testing.assert_array_equal(table["hkl"], other["hkl"])
    np.testing.assert_array_equal(table["experiment"][found], 1 - other["experiment"][found])
    own = np.arange(len(found)) >= n_first
    assert (table["experiment"][found] == own[found]).mean() > 0.999


def test_a_spot_on_both_lattices_is_of_neither():
    spots, _, experiments = two_lattices()
    same = replace(experiments, crystals=(experiments.crystals[0],) * 2)
    table = assign(spots, same, tolerance=0.3)
    assert not has_flag(table, Flag.INDEXED).any()
    assert (table["fate"] == SpotFate.BETWEEN_LATTICES).mean() > 0.5
    assert not table["experiment"].any()
