"""The recommended setting: one that intensities have, of one crystal or of several."""

from __future__ import annotations

from dataclasses import replace

import gemmi
import numpy as np
import pytest
from support.indexing_examples import LATTICES, experiments_of, spots_of
from support.refinement_cases import some_rotation

from dxdask.columns import Flag, Reflections, concatenate
from dxdask.errors import InputError
from dxdask.indexing import BravaisParameters, refine_bravais_settings
from dxdask.indexing.reciprocal import map_centroids
from dxdask.indexing.recommendation import Evidence, recommended
from dxdask.models import Crystal, ExperimentList
from dxdask.models.symmetry import asu_indices
from dxdask.refinement import RefinementParameters
from dxdask.reindex import ReindexParameters, Solution, reindex
from dxdask.results import StepResult

pytestmark = pytest.mark.jit


def reduced_spots(crystal: Crystal, *, seed: int = 5) -> tuple[Reflections, ExperimentList]:
    """Spots of a crystal indexed in its reduced cell, with intensities of its symmetry."""
    experiments = replace(experiments_of("oP"), crystals=(crystal,))
    spots = spots_of(experiments, sigma=0.05, seed=seed)
    asu, _ = asu_indices(spots["hkl"], crystal.gemmi_space_group)
    code = ((asu.astype(np.int64) + 200) @ np.array([1, 401, 401**2])) % 100003
    true = np.random.default_rng(2).exponential(size=100003)[code]
    spots["intensity_sum"] = true * np.random.default_rng(seed).normal(1.0, 0.05, len(asu))
    spots["flags"] |= np.uint32(Flag.INDEXED)
    result = reindex(spots, experiments, ReindexParameters(space_group="P1"))
    return map_centroids(spots | result.reflections, result.experiments), result.experiments


def settings(table: Reflections, experiments: ExperimentList) -> StepResult:
    return refine_bravais_settings(table, experiments, BravaisParameters(), RefinementParameters())


def test_a_lattice_of_higher_symmetry_than_the_intensities_is_not_recommended() -> None:
    """A monoclinic crystal whose cell is orthorhombic: every setting fits."""
    cell = (42.0, 55.0, 71.0, 90.0, 90.0, 90.0)
    crystal = Crystal.from_cell(cell, u_matrix=some_rotation(4), space_group="P 1 21 1")
    result = settings(*reduced_spots(crystal))
    rows = result.table("bravais").rows
    assert rows[0]["lattice"] == "oP"
    assert rows[0]["acceptable"]
    assert rows[0]["min_cc"] < 0.3
    (best,) = [r for r in rows if r["recommended"]]
    assert best["lattice"] == "mP"
    assert best["min_cc"] > 0.9
    assert best["unit_cell"].split()[1] == "55.00"
    assert f"they do not have that of {rows[0]['solution']}" in result.messages[1]


def test_a_triclinic_crystal_on_a_cubic_lattice_stays_triclinic() -> None:
    cell = (50.0, 50.0, 50.0, 90.0, 90.0, 90.0)
    crystal = Crystal.from_cell(cell, u_matrix=some_rotation(4), space_group="P 1")
    rows = settings(*reduced_spots(crystal)).table("bravais").rows
    assert rows[0]["lattice"] == "cP"
    assert [r["lattice"] for r in rows if r["recommended"]] == ["aP"]


@pytest.mark.parametrize("lattice", ["mC", "oP", "tP"])
def test_several_crystals_come_to_one_setting(lattice: str) -> None:
    """Two runs, indexed apart: other orientation, other reduced axes, slightly other cell."""
    cell, symbol = LATTICES[lattice]
    both: list[tuple[Reflections, ExperimentList]] = []
    for i in range(2):
        one = tuple(x * (1 + 0.002 * i) if k < 3 else x for k, x in enumerate(cell))
        crystal = Crystal.from_cell(one, u_matrix=some_rotation(4 + i), space_group=symbol)
        table, models = reduced_spots(crystal, seed=5 + i)
        if i == 1:
            other = reindex(table, models, ReindexParameters(change_of_basis_op="c,a,b"))
            table, models = table | other.reflections, other.experiments
        table["experiment"] += np.int32(i)
        both.append((table, models))
    first, second = (models[0] for _, models in both)
    experiments = ExperimentList.of([first, replace(second, run="two", identifier="two")])
    table = concatenate([t for t, _ in both])
    result = settings(table, experiments)
    (best,) = [r for r in result.table("bravais").rows if r["recommended"]]
    assert best["lattice"] == lattice
    assert best["min_cc"] > 0.8
    rows = result.table("bravais_crystals").rows
    mine = [r for r in rows if r["solution"] == best["solution"]]
    assert [r["run"] for r in mine] == ["run1", "two"]
    assert all(r["rmsd"] < 0.02 for r in mine)
    solution = Solution(
        number=best["solution"], operators=[r["cb_op"] for r in mine],
        space_group=best["space_group"],
    )  # fmt: skip
    given = ReindexParameters(solution=best["solution"])
    moved = reindex(table, experiments, given, solution=solution)
    found = [np.array(c.unit_cell) for c in moved.experiments.crystals]
    np.testing.assert_allclose(found[1][:3] / found[0][:3], 1.002, rtol=1e-3)
    np.testing.assert_allclose(np.sort(found[0][:3]), np.sort(cell[:3]), rtol=2e-3)
    group = gemmi.SpaceGroup(best["space_group"])
    assert not group.operations().systematic_absences(moved.reflections["hkl"]).any()


def test_crystals_of_two_forms_are_refused() -> None:
    table, experiments = reduced_spots(Crystal.from_cell((42.0, 55.0, 61.0, 81.0, 97.0, 104.0)))
    other = Crystal.from_cell((31.0, 35.0, 91.0, 90.0, 90.0, 90.0))
    members = (experiments.members[0], replace(experiments.members[0], run="b", crystal=1))
    both = replace(experiments, crystals=(*experiments.crystals, other), members=members)
    with pytest.raises(InputError, match=r"crystal 1 has the reduced cell 31\.00 35\.00 91\.00"):
        settings(table, both)


def evidence(n: int, **values: float | None) -> Evidence:
    rotations = frozenset((i,) for i in range(n))
    return Evidence(**{"metric_fit": 0.1, "rmsd": 0.1, "min_cc": 0.8, "max_cc": 0.8,
                       "rotations": rotations} | values)  # fmt: skip


def test_one_setting_at_most_is_recommended() -> None:
    triclinic = evidence(1, min_cc=None, max_cc=None)
    every = [evidence(4), evidence(2), evidence(2, min_cc=0.9), triclinic]
    assert recommended(every, [True] * 4) == 0
    assert recommended(every, [False, True, True, True]) == 2
    assert recommended([evidence(4, min_cc=0.1), *every[1:]], [True] * 4) == 2
    # 0.35 would do by itself, not beside a rotation that correlates with 0.9
    assert recommended([evidence(4, min_cc=0.35, max_cc=0.9), *every[1:]], [True] * 4) == 2
    assert recommended([evidence(4, rmsd=0.3), evidence(4), triclinic], [True] * 3) == 1
    unknown = {"min_cc": None, "max_cc": None}
    assert recommended([evidence(4, **unknown), triclinic], [True] * 2) == 0
    assert recommended(every, [False] * 4) is None
