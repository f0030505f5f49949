"""Runs indexed by their own, jointly where that fits, and with the cell they share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.indexing_examples import experiments_of, primitive_a, same_lattice, spots_of
from support.refinement_cases import some_rotation

from dxdask.columns import Flag, check, concatenate, has_flag, n_rows, select
from dxdask.errors import ConvergenceError
from dxdask.fate import SpotFate
from dxdask.indexing import IndexParameters, index
from dxdask.indexing.automatic import share_a_lattice
from dxdask.indexing.consensus import cell_clusters, in_common_setting, nearest_setting
from dxdask.indexing.parameters import CellConsensus
from dxdask.indexing.reduction import changed
from dxdask.models import Crystal, ExperimentList
from dxdask.models.vectors import matrix
from dxdask.refinement import RefinementParameters
from dxdask.results import StepResult

pytestmark = pytest.mark.jit
AUTO = IndexParameters(joint_indexing="auto")


def runs_of(cells, *, fractions=None, seed=20):
    """Spots and experiments of runs, each of a crystal (lattice type) in its own orientation."""
    parts, members = [], []
    for k, lattice in enumerate(cells):
        one = experiments_of(lattice)
        first = one.crystals[0]
        turned = replace(first, a_matrix=matrix(some_rotation(seed + k) @ first.a))
        one = replace(one, crystals=(turned,))
        spots = spots_of(one, seed=seed + k)
        if fractions is not None:
            spots = select(spots, np.arange(int(fractions[k] * n_rows(spots))))
        spots["experiment"] = np.full(n_rows(spots), k, dtype=np.int32)
        parts.append(spots)
        members.append(replace(one[0], run=f"run{k + 1}", identifier=f"run{k + 1}"))
    return concatenate(parts), ExperimentList.of(members)


def indexed(spots, experiments, parameters=AUTO):
    return index(spots, experiments, parameters, RefinementParameters())


def test_runs_of_one_crystal_are_indexed_jointly():
    experiments = experiments_of("oP", n_runs=2)
    spots = spots_of(experiments)
    assert share_a_lattice(spots, experiments, AUTO)
    result = indexed(spots, experiments)
    assert len(result.experiments.crystals) == 1
    assert "clusters" not in [t.name for t in result.tables]


def test_runs_of_several_crystals_are_indexed_separately():
    spots, experiments = runs_of(("oP", "oP", "tP"))
    order = np.random.default_rng(2).permutation(n_rows(spots))
    spots = select(spots, order)
    assert not share_a_lattice(spots, experiments, AUTO)
    result = indexed(spots, experiments)
    check(result.reflections)
    np.testing.assert_array_equal(result.reflections["x"], spots["x"])
    for k, e in enumerate(result.experiments):
        assert same_lattice(
            primitive_a(experiments[k].crystal), primitive_a(e.crystal), within=0.05
        )
        mine = spots["experiment"] == k
        assert has_flag(result.reflections, Flag.INDEXED)[mine].mean() > 0.97
    rows = result.table("clusters").rows
    assert [r["n_crystals"] for r in rows] == [2, 1]
    assert rows[0]["runs"] == "run1, run2"
    np.testing.assert_allclose([rows[0][k] for k in "abc"], (42, 55, 71), rtol=2e-3)
    assert any("run3: the cell" in m for m in result.messages)
    cells = np.array([e.crystal.unit_cell for e in list(result.experiments)[:2]])
    np.testing.assert_allclose(cells[0], cells[1], rtol=3e-3)
    table = result.table("crystals").rows
    np.testing.assert_allclose([[r[k] for k in "abc"] for r in table[:2]], cells[:, :3])


@pytest.mark.slow
def test_a_run_that_fails_does_so_with_a_reason():
    spots, experiments = runs_of(("oP", "oP", "oP"), fractions=(1.0, 1.0, 0.002))
    result = indexed(spots, experiments)
    (problem,) = result.problems
    assert problem["run"] == "run3"
    fates = {r["run"]: r for r in result.table("fates").rows}
    assert fates["run3"]["n_no_lattice"] == fates["run3"]["n_spots"]
    assert fates["run3"]["reason"] == problem["reason"]
    assert not fates["run1"]["reason"]
    assert any(line.startswith("run1, run2: Cell of 2") or "Cell of 2 crystals" in line
               for line in result.messages)  # fmt: skip
    last = result.reflections["experiment"] == 2
    assert (result.reflections["fate"][last] == SpotFate.NO_LATTICE).all()


def test_no_run_can_be_indexed():
    spots, experiments = runs_of(("oP", "oP"), fractions=(0.002, 0.002))
    with pytest.raises(ConvergenceError, match=r"(?s)none of 2 runs .*\nrun1: .*\nrun2: "):
        indexed(spots, experiments)
    apart = IndexParameters(joint_indexing=False)
    with pytest.raises(ConvergenceError, match="none of 2 runs"):
        indexed(spots, experiments, apart)


def crystals_near(cell, n, spread, seed=0, group="P 1"):
    rng = np.random.default_rng(seed)
    out = []
    for k in range(n):
        values = np.array(cell) * (1.0 + spread * rng.normal(size=6) * [1, 1, 1, 0, 0, 0])
        out.append(Crystal.from_cell(tuple(values), u_matrix=some_rotation(seed + k),
                                     space_group=group))  # fmt: skip
    return out


def test_cells_are_clustered():
    first = crystals_near((42, 55, 61, 81, 97, 104), 12, 0.004)
    second = crystals_near((79, 79, 38, 90, 90, 90), 7, 0.004, seed=40)
    alone = crystals_near((50, 60, 70, 90, 90, 90), 1, 0.0, seed=80)
    crystals = [*second, *alone, *first]
    found = cell_clusters(crystals, CellConsensus())
    assert [len(c.members) for c in found] == [12, 7, 1]
    assert set(found[0].members) == set(range(8, 20))
    np.testing.assert_allclose(sorted(found[1].cell[:3]), (38, 79, 79), rtol=0.01)
    order = np.random.default_rng(3).permutation(len(crystals))
    again = cell_clusters([crystals[i] for i in order], CellConsensus())
    assert [set(order[c.members]) for c in again] == [set(c.members) for c in found]
    apart = cell_clusters(crystals, CellConsensus(relative_length_tolerance=1e-5))
    assert len(apart) > 10
    assert cell_clusters([], CellConsensus()) == []


def test_a_centred_and_a_primitive_cell_of_one_lattice_are_one_cluster():
    centred = Crystal.from_cell((78, 78, 78, 90, 90, 90), space_group="I 21 3")
    to_primitive = np.array(centred.gemmi_space_group.centred_to_primitive().rot) / 24.0
    primitive = Crystal(a_matrix=matrix(centred.a @ np.linalg.inv(to_primitive).T))
    assert len(cell_clusters([centred, primitive], CellConsensus())) == 1


def test_crystals_are_put_in_one_setting():
    experiments = experiments_of("aP")
    true = experiments.crystals[0]
    true = replace(true, space_group="P 1")
    change = np.array([[1, 1, 0], [0, 1, 0], [0, -1, 1]], dtype=float)
    other = Crystal(a_matrix=matrix(changed(true.a, change.T)))
    hkl = np.array([[1, 2, 3], [4, 0, -1], [0, 0, 0]], dtype=np.int32)
    flags = np.array([Flag.INDEXED, Flag.INDEXED, 0], dtype=np.uint32)
    table = {
        "experiment": np.zeros(3, np.int32),
        "hkl": (hkl @ change.T.astype(np.int32)).astype(np.int32),
        "flags": flags,
    }
    result = StepResult(experiments=experiments.with_crystal(other), reflections=table)
    new = in_common_setting(result, true.unit_cell)
    np.testing.assert_allclose(new.experiments.crystals[0].unit_cell, true.unit_cell, rtol=1e-9)
    np.testing.assert_array_equal(new.reflections["hkl"], hkl)
    a = new.experiments.crystals[0].a
    np.testing.assert_allclose(new.reflections["hkl"] @ a.T, table["hkl"] @ other.a.T, atol=1e-12)


def test_a_setting_as_near_by_symmetry_is_kept():
    crystal = Crystal.from_cell((79, 79, 38, 90, 90, 90), u_matrix=some_rotation(3))
    basis = np.linalg.inv(crystal.a)
    np.testing.assert_array_equal(nearest_setting(crystal.a, basis @ basis.T), np.eye(3))
