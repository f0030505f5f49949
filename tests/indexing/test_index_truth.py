"""Spots of known crystals are indexed by the lattice they came from."""

from __future__ import annotations

import numpy as np
import pytest
from support.indexing_examples import LATTICES, experiments_of, primitive_a, same_lattice, spots_of

from dxdask.columns import Flag, check, concatenate, has_flag, n_rows, select
from dxdask.errors import ConvergenceError, InputError
from dxdask.indexing import IndexParameters, index
from dxdask.models import ExperimentList
from dxdask.refinement import RefinementParameters

pytestmark = pytest.mark.jit


def indexed(spots, experiments, **known):
    parameters = IndexParameters(known_symmetry=known)
    return index(spots, experiments, parameters, RefinementParameters())


def some_slow(quick):
    """All Bravais types; those not named are left to the longer run."""
    return [pytest.param(k, marks=() if k in quick else pytest.mark.slow) for k in LATTICES]


@pytest.mark.parametrize("lattice", some_slow(("aP", "cI")))
def test_lattice_is_found_without_knowing_anything(lattice):
    experiments = experiments_of(lattice)
    spots = spots_of(experiments, outliers=0.2)
    result = indexed(spots, experiments)
    crystal = result.experiments.crystals[0]
    assert crystal.space_group == "P 1"
    assert same_lattice(primitive_a(experiments.crystals[0]), crystal.a, within=0.05)
    true = np.any(spots["hkl"] != 0, axis=1)
    found = has_flag(result.reflections, Flag.INDEXED)
    assert found[true].mean() > 0.99
    # Three indices within 0.3 of integers come by chance in 0.6^3 of all cases.
    assert found[~true].mean() < 0.35


@pytest.mark.parametrize("lattice", some_slow(("mC", "hR")))
def test_cell_is_right_where_the_space_group_is_known(lattice):
    cell, group = LATTICES[lattice]
    experiments = experiments_of(lattice)
    spots = spots_of(experiments, sigma=0.05, outliers=0.2)
    result = indexed(spots, experiments, space_group=group)
    crystal = result.experiments.crystals[0]
    assert crystal.space_group == experiments.crystals[0].space_group
    np.testing.assert_allclose(sorted(crystal.unit_cell[:3]), sorted(cell[:3]), rtol=1e-3)
    # Indices are those of the truth but for a rotation of the lattice.
    table = select(result.reflections, np.any(spots["hkl"] != 0, axis=1))
    h, k = spots["hkl"][np.any(spots["hkl"] != 0, axis=1)], table["hkl"]
    good = has_flag(table, Flag.INDEXED)
    change = np.rint(np.linalg.lstsq(h[good], k[good], rcond=None)[0])
    assert abs(np.linalg.det(change)) == pytest.approx(1.0)
    assert np.all(h[good] @ change == k[good], axis=1).mean() > 0.999


def test_runs_of_one_crystal_are_indexed_together():
    experiments = experiments_of("mP", n_runs=3)
    spots = spots_of(experiments, outliers=0.1)
    result = indexed(spots, experiments, space_group="P21")
    assert len(result.experiments.crystals) == 1
    assert [m.crystal for m in result.experiments.members] == [0, 0, 0]
    rows = result.table("imagesets").rows
    assert [r["run"] for r in rows] == ["run1", "run2", "run3"]
    for i, row in enumerate(rows):
        mine = spots["experiment"] == i
        assert row["n_indexed"] + row["n_unindexed"] == np.count_nonzero(mine)
        assert row["percent"] > 90
    assert {t.name for t in result.tables} == {
        "candidates", "imagesets", "crystals", "rmsds", "fates", "panels",
    }  # fmt: skip


def test_rows_are_kept_in_their_order_and_obey_the_schema():
    experiments = experiments_of("tP", n_panels=2)
    spots = spots_of(experiments, outliers=0.3)
    result = indexed(spots, experiments, space_group="P43212")
    table = check(result.reflections, ("s1", "rlp", "hkl", "entering", "x_mm", "phi_rad", "x_cal"))
    for name in ("experiment", "panel", "x", "y", "z"):
        np.testing.assert_array_equal(table[name], spots[name])
    found = has_flag(table, Flag.INDEXED)
    np.testing.assert_array_equal(np.any(table["hkl"] != 0, axis=1), found)
    assert has_flag(table, Flag.STRONG).all()
    d_x, d_y = (table["x_cal"] - table["x"])[found], (table["y_cal"] - table["y"])[found]
    assert np.nanmedian(np.abs(d_x)) < 0.2
    assert np.nanmedian(np.abs(d_y)) < 0.2


@pytest.mark.slow
def test_the_same_spots_always_give_the_same_answer():
    experiments = experiments_of("oC")
    spots = spots_of(experiments, outliers=0.2)
    first, second = indexed(spots, experiments), indexed(spots, experiments)
    assert first.experiments == second.experiments
    for name, values in first.reflections.items():
        np.testing.assert_array_equal(values, second.reflections[name])


def test_cell_alone_chooses_the_axes():
    experiments = experiments_of("oP")
    spots = spots_of(experiments)
    result = indexed(spots, experiments, unit_cell=(71, 42, 55, 90, 90, 90))
    cell = result.experiments.crystals[0].unit_cell
    np.testing.assert_allclose(cell[:3], (71, 42, 55), rtol=2e-3)


def test_wrong_cell_says_what_was_found_and_what_to_try():
    experiments = experiments_of("oP")
    spots = spots_of(experiments)
    with pytest.raises(ConvergenceError, match=r"cell 60, 60, 60.*reduced cell 4[0-9]\..*without"):
        indexed(spots, experiments, unit_cell=(60, 60, 60, 90, 90, 90))


def test_wrong_symmetry_says_so():
    experiments = experiments_of("aP")
    spots = spots_of(experiments)
    with pytest.raises(ConvergenceError, match=r"space group I 21 3"):
        indexed(spots, experiments, space_group="I213")


def test_spots_of_no_lattice_are_refused():
    experiments = experiments_of("tP")
    spots = spots_of(experiments)
    rng = np.random.default_rng(1)
    for name, width in (("x", 1000), ("y", 1000), ("z", 60)):
        spots[name] = rng.uniform(0, width, n_rows(spots))
    with pytest.raises(
        ConvergenceError, match=r"tried without success: .*\n.* does not fit the spots"
    ):
        indexed(spots, experiments)


def test_few_spots_are_refused():
    experiments = experiments_of("tP")
    spots = select(spots_of(experiments), np.arange(8))
    with pytest.raises(ConvergenceError, match="spots"):
        indexed(spots, experiments)
    with pytest.raises(InputError, match="no spots"):
        indexed(select(spots, np.arange(0)), experiments)


def test_spots_of_other_experiments_are_refused():
    experiments = experiments_of("tP")
    spots = spots_of(experiments)
    spots["experiment"] = spots["experiment"] + np.int32(1)
    with pytest.raises(InputError, match="experiment"):
        indexed(spots, experiments)


@pytest.mark.slow
def test_a_run_by_itself_does_not_stop_the_others():
    one, two = experiments_of("tP", n_runs=2), experiments_of("oP")
    names = list(one)
    runs = [names[0], names[1], two[0]]
    runs[2] = type(runs[2])(**{
        **{k: getattr(two[0], k) for k in ("beam", "detector", "goniometer", "scan", "crystal")},
        "identifier": "other", "run": "other",
    })  # fmt: skip
    spots = spots_of(one)
    rng = np.random.default_rng(2)
    junk = spots["experiment"] == 1
    for name, width in (("x", 1000), ("y", 1000)):
        spots[name][junk] = rng.uniform(0, width, np.count_nonzero(junk))
    third = spots_of(two)
    third["experiment"][:] = 2
    spots = concatenate([spots, third])
    parameters = IndexParameters(joint_indexing=False)
    result = index(spots, ExperimentList.of(runs), parameters, RefinementParameters())
    assert [m.crystal is None for m in result.experiments.members] == [False, True, False]
    assert [p["run"] for p in result.problems] == ["run2"]
    np.testing.assert_array_equal(result.reflections["x"], spots["x"])
    assert not has_flag(select(result.reflections, spots["experiment"] == 1), Flag.INDEXED).any()
    third = result.experiments[2].crystal
    assert same_lattice(primitive_a(two.crystals[0]), third.a, within=0.05)
    assert [r["run"] for r in result.table("imagesets").rows] == ["run1", "other"]
    assert [r["experiment"] for r in result.table("crystals").rows] == [0, 2]
