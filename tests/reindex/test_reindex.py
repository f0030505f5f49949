"""Reindexing with known answer: operators, space groups, a varying crystal, references."""

from __future__ import annotations

from dataclasses import replace

import gemmi
import numpy as np
import pytest
from support.indexing_examples import LATTICES, experiments_of, spots_of
from support.refinement_cases import some_rotation

from dxdask.columns import Flag, has_flag
from dxdask.errors import InputError, ParameterError
from dxdask.models import Crystal, ExperimentList
from dxdask.models.symmetry import asu_indices
from dxdask.models.vectors import matrix
from dxdask.reindex import Reference, ReindexParameters, Solution, reindex
from dxdask.reindex.operators import indices_text, parse_operator


def indexed(lattice: str):
    experiments = experiments_of(lattice)
    spots = spots_of(experiments)
    spots["flags"] |= np.uint32(Flag.INDEXED)
    return spots, experiments


def with_intensities(table, group: str, seed: int = 2):
    """Random intensities that obey a space group, with 5 % noise."""
    asu, _ = asu_indices(table["hkl"], gemmi.SpaceGroup(group))
    code = ((asu.astype(np.int64) + 200) @ np.array([1, 401, 401**2])) % 100003
    true = np.random.default_rng(seed).exponential(size=100003)[code]
    noise = np.random.default_rng(seed + 1).normal(1.0, 0.05, len(asu))
    return table | {"intensity_sum": true * noise}


@pytest.mark.parametrize(
    ("text", "axes"),
    [
        ("b,c,a", "b,c,a"), ("k,l,h", "b,c,a"), ("z,x,y", "c,a,b"), ("y,z,x", "b,c,a"),
        ("h,k,l", "a,b,c"), ("k,h,-l", "b,a,-c"), ("a-b,a+b,c", "a-b,a+b,c"),
        ("x-y,x,z", "-b,a+b,c"), ("-h,-k,l", "-a,-b,c"), ("a/2,b,2*c", "a/2,b,2*c"),
    ],
)  # fmt: skip
def test_operators_mean_what_cctbx_means(text: str, axes: str) -> None:
    np.testing.assert_allclose(parse_operator(text), parse_operator(axes))


@pytest.mark.parametrize("text", ["a,b", "nonsense", "a,b,h", "x,y,z+1/2", "", "a,a,c", "b,a,c"])
def test_what_is_no_operator_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="change_of_basis_op="):
        parse_operator(text)


@pytest.mark.parametrize("op", ["b,c,a", "k,l,h", "-h,k,-l", "a,b,a+c"])
def test_reciprocal_lattice_points_stay_where_they_are(op: str) -> None:
    table, experiments = indexed("aP")
    result = reindex(table, experiments, ReindexParameters(change_of_basis_op=op))
    before = table["hkl"] @ experiments.crystals[0].a.T
    after = result.reflections["hkl"] @ result.experiments.crystals[0].a.T
    np.testing.assert_allclose(after, before, atol=1e-12)
    np.testing.assert_array_equal(result.reflections["flags"], table["flags"])
    assert np.linalg.det(result.experiments.crystals[0].a) > 0


def test_a_crystal_that_varies_is_transformed_at_each_point() -> None:
    table, experiments = indexed("oP")
    crystal = experiments.crystals[0]
    points = tuple(
        matrix(some_rotation(9, 0.01 * i) @ crystal.a * (1 + 1e-4 * i)) for i in range(5)
    )
    su = (0.1, 0.2, 0.3, 0.01, 0.02, 0.03)
    experiments = replace(experiments, crystals=(replace(crystal, scan_points=points, cell_su=su),))
    result = reindex(table, experiments, ReindexParameters(change_of_basis_op="b,c,a"))
    new = result.experiments.crystals[0]
    assert new.scan_points is not None
    for before, after in zip(points, new.scan_points, strict=True):
        old = table["hkl"][:50] @ np.asarray(before).T
        np.testing.assert_allclose(result.reflections["hkl"][:50] @ np.asarray(after).T, old,
                                   atol=1e-12)  # fmt: skip
    assert new.cell_su == (0.2, 0.3, 0.1, 0.02, 0.03, 0.01)
    assert reindexed_su("a+b,b,c", experiments) is None


def reindexed_su(op: str, experiments: ExperimentList):
    group = {"change_of_basis_op": op, "space_group": "P1"}
    table = {
        "experiment": np.zeros(1, np.int32),
        "hkl": np.ones((1, 3), np.int32),
        "flags": np.full(1, Flag.INDEXED, np.uint32),
    }
    return reindex(table, experiments, ReindexParameters(**group)).experiments.crystals[0].cell_su


@pytest.mark.parametrize("lattice", [k for k in LATTICES if k != "aP"])
def test_a_space_group_finds_its_axes_from_the_reduced_cell(lattice: str) -> None:
    table, experiments = indexed(lattice)
    cell, symbol = LATTICES[lattice]
    to_p1 = reindex(table, experiments, ReindexParameters(space_group="P1"))
    assert to_p1.experiments.crystals[0].gemmi_space_group.number == 1
    assert has_flag(to_p1.reflections, Flag.INDEXED).all()
    back = reindex(
        table | to_p1.reflections, to_p1.experiments, ReindexParameters(space_group=symbol)
    )
    crystal = back.experiments.crystals[0]
    assert crystal.gemmi_space_group.number == gemmi.SpaceGroup(symbol).number
    np.testing.assert_allclose(np.prod(crystal.unit_cell[:3]), np.prod(cell[:3]), rtol=1e-6)
    points = back.reflections["hkl"] @ crystal.a.T
    np.testing.assert_allclose(points, table["hkl"] @ experiments.crystals[0].a.T, atol=1e-9)


def test_the_space_group_changes_with_the_axes() -> None:
    table, experiments = indexed("oC")
    result = reindex(table, experiments, ReindexParameters(change_of_basis_op="b,c,a"))
    # the centred face ab is called bc, or ca, of the new axes
    assert result.experiments.crystals[0].gemmi_space_group.centring_type() in "AB"
    absent = result.experiments.crystals[0].gemmi_space_group.operations()
    assert not absent.systematic_absences(result.reflections["hkl"]).any()


def test_rows_without_whole_indices_are_lost() -> None:
    table, experiments = indexed("oP")
    given = ReindexParameters(change_of_basis_op="a/2,b,c", space_group="P222")
    result = reindex(table, experiments, given)
    even = table["hkl"][:, 0] % 2 == 0
    np.testing.assert_array_equal(has_flag(result.reflections, Flag.INDEXED), even)
    assert f"{np.count_nonzero(~even)} reflections have no integer indices" in result.messages[0]


def test_an_offset_is_added_before() -> None:
    table, experiments = indexed("oP")
    given = ReindexParameters(change_of_basis_op="k,l,h", hkl_offset=(1, 0, 0))
    moved = reindex(table, experiments, given).reflections["hkl"]
    np.testing.assert_array_equal(moved[:, 2], table["hkl"][:, 0] + 1)
    np.testing.assert_array_equal(moved[:, 0], table["hkl"][:, 1])


def test_each_crystal_has_its_own_operator_of_a_solution() -> None:
    table, experiments = indexed("oP")
    first = experiments.crystals[0]
    other = Crystal(a_matrix=first.a_matrix, space_group="P 1")
    members = (experiments.members[0], replace(experiments.members[0], run="b", crystal=1))
    both = replace(experiments, crystals=(first, other), members=members)
    half = np.arange(len(table["hkl"])) % 2
    table["experiment"] = half.astype(np.int32)
    solution = Solution(number=3, operators=("a,b,c", "b,c,a"), space_group="P 2 2 2")
    result = reindex(table, both, ReindexParameters(solution=3), solution=solution)
    cells = [c.unit_cell[:3] for c in result.experiments.crystals]
    np.testing.assert_allclose(cells[1], np.roll(cells[0], -1), rtol=1e-9)
    moved = result.reflections["hkl"]
    np.testing.assert_array_equal(moved[half == 0], table["hkl"][half == 0])
    np.testing.assert_array_equal(moved[half == 1], np.roll(table["hkl"][half == 1], -1, axis=1))
    rows = result.table("reindexed").rows
    assert [r["change_of_basis_op"] for r in rows] == ["a,b,c", "b,c,a"]


AMBIGUOUS = {
    "P 3": ((61.0, 61.0, 82.0, 90.0, 90.0, 120.0), 4),
    "P 4": ((61.0, 61.0, 82.0, 90.0, 90.0, 90.0), 2),
    "I 21 3": ((78.0, 78.0, 78.0, 90.0, 90.0, 90.0), 2),
    "P 43 21 2": ((79.0, 79.0, 38.0, 90.0, 90.0, 90.0), 1),
    "R 3:H": ((81.0, 81.0, 140.0, 90.0, 90.0, 120.0), 2),
    # the lattice is by chance orthorhombic
    "P 1 21 1": ((42.0, 55.0, 61.0, 90.0, 90.2, 90.0), 2),
}


@pytest.mark.parametrize("symbol", AMBIGUOUS)
@pytest.mark.parametrize("seed", [0, 1])
def test_intensities_choose_the_axes_of_the_reference(symbol: str, seed: int) -> None:
    """The crystal is given some axes of its lattice; the reference has the true ones."""
    cell, n_choices = AMBIGUOUS[symbol]
    crystal = Crystal.from_cell(cell, u_matrix=some_rotation(4), space_group=symbol)
    experiments = replace(experiments_of("oP"), crystals=(crystal,))
    table = with_intensities(spots_of(experiments), symbol)
    table["flags"] |= np.uint32(Flag.INDEXED)
    half = np.random.default_rng(seed).random(len(table["hkl"])) < 0.5
    reference = Reference(
        crystal=Crystal.from_cell(cell, space_group=symbol), name="reference",
        hkl=table["hkl"][half], intensity=table["intensity_sum"][half] * 7.0,
    )  # fmt: skip
    primitive = reindex(table, experiments, ReindexParameters(space_group="P1"))
    data = {k: v[~half] for k, v in (table | primitive.reflections).items()}
    result = reindex(data, primitive.experiments, ReindexParameters(), reference=reference)
    rows = result.table("operators").rows
    assert len(rows) == n_choices
    assert rows[0]["correlation"] > 0.9
    assert all(r["correlation"] < 0.5 for r in rows[1:])
    group = gemmi.SpaceGroup(symbol)
    found, _ = asu_indices(result.reflections["hkl"], group)
    expected, _ = asu_indices(table["hkl"][~half], group)
    np.testing.assert_array_equal(found, expected)
    assert result.experiments.crystals[0].space_group == group.xhm()
    assert f"space group {group.xhm()}, as the reference, in place of P 1" in result.messages[1]


def test_an_orientation_alone_chooses_the_nearest_axes() -> None:
    table, experiments = indexed("tP")
    truth = experiments.crystals[0]
    turned = reindex(table, experiments, ReindexParameters(change_of_basis_op="b,-a,c"))
    nearby = Crystal(a_matrix=matrix(some_rotation(8, 0.3) @ truth.a), space_group="P 43 21 2")
    reference = Reference(crystal=nearby, name="other.expt", oriented=True)
    result = reindex(
        table | turned.reflections, turned.experiments, ReindexParameters(), reference=reference
    )
    np.testing.assert_array_equal(result.reflections["hkl"], table["hkl"])
    assert "0.300 degrees from the orientation of other.expt" in result.messages[0]


def test_bad_input_is_refused_with_what_to_do() -> None:
    table, experiments = indexed("oP")
    with pytest.raises(ParameterError, match="reindex needs change_of_basis_op"):
        reindex(table, experiments, ReindexParameters())
    with pytest.raises(InputError, match="not one of P 4"):
        reindex(table, experiments, ReindexParameters(change_of_basis_op="a,b,c", space_group="P4"))
    with pytest.raises(InputError, match="has not the symmetry of F 2 3"):
        reindex(table, experiments, ReindexParameters(space_group="F23"))
    other = Reference(crystal=Crystal.from_cell((30.0, 40.0, 50.0, 90.0, 90.0, 90.0)), name="x.mtz",
                      hkl=table["hkl"], intensity=np.ones(len(table["hkl"])))  # fmt: skip
    table = with_intensities(table, "P 21 21 21")
    with pytest.raises(InputError, match=r"no cell like 30\.00 40\.00"):
        reindex(table, experiments, ReindexParameters(), reference=other)
    both = Solution(number=1, operators=("a,b,c",), space_group="P 1")
    given = ReindexParameters(change_of_basis_op="a,b,c", solution=1)
    with pytest.raises(ParameterError, match="exclude one another"):
        reindex(table, experiments, given, solution=both)
    with pytest.raises(InputError, match="no crystal to reindex"):
        reindex(table, replace(experiments, crystals=()), given)


def test_indices_as_text() -> None:
    assert indices_text(parse_operator("b,a,-c")) == "k,h,-l"
