"""The table of Bravais settings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.indexing_examples import experiments_of, spots_of

from dxdask.columns import Flag, has_flag, n_rows
from dxdask.errors import InputError
from dxdask.indexing import (
    BravaisParameters,
    IndexParameters,
    apply_setting,
    index,
    refine_bravais_settings,
)
from dxdask.indexing.correlation import correlation, merge_intensities
from dxdask.indexing.recommendation import is_acceptable
from dxdask.indexing.setting import axes_change, axes_text
from dxdask.models import Crystal
from dxdask.refinement import RefinementParameters, refine

pytestmark = pytest.mark.jit


def intensities(hkl, group, seed=0):
    """Random intensities that obey the Laue symmetry of the group, with 5 % noise."""
    ops = group.operations()
    unique = np.array([
        max(tuple(s * x for x in op.apply_to_hkl(h)) for op in ops.sym_ops for s in (1, -1))
        for h in hkl.tolist()
    ])  # fmt: skip
    code = ((unique + 200) @ np.array([1, 401, 401**2])) % 100003
    true = np.random.default_rng(seed).exponential(size=100003)[code]
    return true * np.random.default_rng(seed + 1).normal(1.0, 0.05, len(hkl))


def p1_solution(lattice):
    """Spots of a crystal indexed in its reduced cell, with intensities."""
    experiments = experiments_of(lattice)
    spots = spots_of(experiments, sigma=0.05)
    group = experiments.crystals[0].gemmi_space_group
    spots["intensity_sum"] = intensities(spots["hkl"], group)
    result = index(spots, experiments, IndexParameters(), RefinementParameters())
    return experiments, result


@pytest.mark.parametrize("lattice", ["mC", "tP", "cI", pytest.param("hR", marks=pytest.mark.slow)])
def test_the_true_lattice_is_recommended(lattice):
    experiments, result = p1_solution(lattice)
    table = refine_bravais_settings(
        result.reflections, result.experiments, BravaisParameters(), RefinementParameters()
    ).table("bravais")
    best = next(r for r in table.rows if r["recommended"])
    assert best["lattice"] == lattice
    assert best["min_cc"] > 0.9
    assert best["metric_fit"] < 0.3
    assert [r["solution"] for r in table.rows] == list(range(len(table.rows), 0, -1))
    last = table.rows[-1]
    assert (last["lattice"], last["metric_fit"], last["min_cc"]) == ("aP", 0.0, None)
    assert str(table).count("\n") == len(table.rows) + 4
    transformed, reflections = apply_setting(result.reflections, result.experiments, best)
    assert transformed.crystals[0].gemmi_space_group.hm == best["space_group"].split(":")[0]
    refined = refine(reflections, transformed, RefinementParameters()).experiments.crystals[0]
    edges = experiments.crystals[0].unit_cell[:3]
    np.testing.assert_allclose(sorted(refined.unit_cell[:3]), sorted(edges), rtol=2e-3)
    found = has_flag(reflections, Flag.INDEXED)
    assert np.count_nonzero(found) == np.count_nonzero(has_flag(result.reflections, Flag.INDEXED))


def test_intensities_distinguish_true_symmetry_from_that_of_the_lattice():
    # A monoclinic crystal whose cell is by chance orthorhombic.
    truth = experiments_of("oP")
    crystal = truth.crystals[0]
    spots = spots_of(truth, sigma=0.02)
    monoclinic = Crystal(a_matrix=crystal.a_matrix, space_group="P 1 21 1")
    spots["intensity_sum"] = intensities(spots["hkl"], monoclinic.gemmi_space_group)
    merged = merge_intensities(spots, spots["hkl"])
    assert correlation(merged, np.diag([-1.0, 1.0, -1.0])) > 0.9
    assert abs(correlation(merged, np.diag([1.0, -1.0, -1.0]))) < 0.3
    few = {k: v[:12] for k, v in spots.items()}
    assert correlation(merge_intensities(few, few["hkl"]), np.diag([-1.0, 1.0, -1.0])) is None


@pytest.mark.parametrize(
    ("metric_fit", "rmsd", "min_cc", "expected"),
    [
        (0.4, 1.4, None, True), (0.4, 1.6, None, False), (0.4, 1.6, 0.4, False),
        (0.4, 9.0, 0.5, True), (0.6, 1.9, None, True), (0.6, 2.1, 0.6, False),
        (0.6, 2.9, 0.7, True), (0.6, 3.1, 0.9, False), (0.1, None, 0.9, False),
    ],
)  # fmt: skip
def test_ladder_of_the_recommendation(metric_fit, rmsd, min_cc, expected):
    found = is_acceptable(metric_fit=metric_fit, rmsd=rmsd, min_cc=min_cc, rmsd_p1=1.0)
    assert found is expected


def test_change_of_basis_as_text():
    change = np.array([[0.0, 0.5, 0.0], [1.0, -0.5, 0.0], [1.0, 0.0, -1.0]])
    assert axes_text(change) == "b+c,a/2-b/2,-c"
    np.testing.assert_array_equal(axes_change(axes_text(change)), change)
    with pytest.raises(InputError, match="change of basis"):
        axes_change("nonsense")


def test_indices_that_a_smaller_cell_lacks_are_lost():
    experiments = experiments_of("oP")
    spots = spots_of(experiments)
    spots["flags"] |= np.uint32(Flag.INDEXED)
    half = {"cb_op": "a/2,b,c", "space_group": "P 1"}
    transformed, table = apply_setting(spots, experiments, half)
    even = spots["hkl"][:, 0] % 2 == 0
    np.testing.assert_array_equal(has_flag(table, Flag.INDEXED), even)
    np.testing.assert_array_equal(table["hkl"][even, 0] * 2, spots["hkl"][even, 0])
    assert transformed.crystals[0].unit_cell[0] == pytest.approx(21.0)
    assert n_rows(table) == n_rows(spots)


def test_one_crystal_is_needed():
    experiments = experiments_of("oP")
    spots = spots_of(experiments)
    with pytest.raises(InputError, match="0 crystals where one is needed"):
        refine_bravais_settings(
            spots,
            replace(experiments, crystals=()),
            BravaisParameters(),
            RefinementParameters(),
        )
