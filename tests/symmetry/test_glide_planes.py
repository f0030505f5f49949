"""Space groups with glide planes and centres of symmetry, of simulated crystals."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
import pytest
from support.simulated_symmetry import Truth, crystals_of

import dxdask
from dxdask.results import StepResult
from dxdask.symmetry import SymmetryParameters, symmetry
from dxdask.symmetry.glide_planes import all_candidates, has_centre

ANY = SymmetryParameters(chiral=False)
GROUPS = [
    "P -1", "P 1 21/c 1", "P 1 c 1", "C 1 2/c 1", "P b c a", "P n a 21", "P c c n", "C m c 21",
    "I b a m", "F d d 2", "F d d d", "I 41/a", "P 4/n n c", "R -3 c", "P -3 c 1", "P 63/m m c",
    "I a -3 d", "F d -3 m",
]  # fmt: skip
QUICK = ("P 1 c 1", "C 1 2/c 1", "P c c n", "I 41/a", "R -3 c", "F d -3 m")


def named(result: StepResult) -> list[int]:
    names = result.table("space_groups").rows[0]["space_groups"].split(" or ")
    return [gemmi.find_spacegroup_by_name(n).number for n in names]


def is_ambiguous(result: StepResult) -> bool:
    return any("ambiguous" in m for m in result.messages)


@pytest.mark.parametrize(
    "symbol", [g if g in QUICK else pytest.param(g, marks=pytest.mark.slow) for g in GROUPS]
)
def test_the_space_group_is_found_or_ambiguous(symbol: str) -> None:
    truth = Truth.of(symbol)
    result = symmetry(*crystals_of(truth), ANY)
    assert truth.group.number in named(result) or is_ambiguous(result), result.messages
    crystal = result.experiments.crystals[0]
    assert crystal.gemmi_space_group.is_reference_setting()
    assert crystal.gemmi_space_group.laue_str() == truth.group.laue_str()


@pytest.mark.parametrize("symbol", ["P 1 21/c 1", "P n a 21", "F d d 2"])
def test_groups_of_certain_absences_are_certain(symbol: str) -> None:
    truth = Truth.of(symbol, d_min=2.0)
    result = symmetry(*crystals_of(truth), ANY)
    assert named(result)[0] == truth.group.number, result.messages
    assert result.table("space_groups").rows[0]["probability"] > 0.9


def test_conditions_are_named() -> None:
    result = symmetry(*crystals_of(Truth.of("P b c a", d_min=2.0)), ANY)
    found = {r["screw_axis"]: r["probability"] for r in result.table("systematic_absences").rows}
    for condition in ("0kl: k = 2n", "h0l: l = 2n", "hk0: h = 2n"):
        assert found[condition] > 0.95, found
    assert found["0kl: l = 2n"] < 0.05


def test_a_centre_of_symmetry_orders_groups_of_the_same_absences() -> None:
    for symbol, words in (("P -1", "a centre"), ("P 1", "no centre")):
        truth = Truth.of(symbol, d_min=2.0)
        result = symmetry(*crystals_of(truth), ANY)
        assert set(named(result)) == {1, 2}
        assert result.experiments.crystals[0].gemmi_space_group.number == truth.group.number
        assert f"{words} of symmetry" in "\n".join(result.messages)


def test_chiral_groups_only_by_default() -> None:
    result = symmetry(*crystals_of(Truth.of("P b c a", d_min=2.5)))
    assert all(gemmi.SpaceGroup(n).is_sohncke() for n in named(result))


def test_candidates_have_the_laue_class_and_the_axes() -> None:
    found = {g.number for g in all_candidates(gemmi.SpaceGroup("P 1 2 1"))}
    assert found == {3, 4, 6, 7, 10, 11, 13, 14}
    assert len({g.number for g in all_candidates(gemmi.SpaceGroup("P 2 2 2"))}) == 4 + 10 + 16


def test_too_few_intensities_say_nothing_of_a_centre() -> None:
    assert has_centre(np.ones(10), np.full(10, 0.1)) is None
    assert has_centre(np.ones(1000), np.full(1000, 2.0)) is None


@pytest.mark.shared
def test_l_cysteine_is_the_same_with_all_groups(shared: Path, tmp_path: Path) -> None:
    files = sorted((shared / "data" / "real" / "l_cysteine").glob("*_integrated.*"))
    store = dxdask.import_([str(f) for f in files], tmp_path / "data.zarr")
    dxdask.symmetry(store, chiral=False)
    assert {c.space_group for c in store.experiments("symmetry").crystals} == {"P 21 21 21"}
    assert store.table("symmetry", "space_groups")["space_groups"][0] == "P 21 21 21"
