"""Indexing ambiguity: stills in settings at random come back in one."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest
from support.integrated_stills import Simulated, simulated

from dxdask.merging.stills import StillsMergingParameters, merge_stills
from dxdask.merging.stills.ambiguity import ambiguous_operators, resolve_ambiguity

pytestmark = pytest.mark.jit

HEXAGONAL = (50.0, 50.0, 40.0, 90.0, 90.0, 120.0)
TETRAGONAL = (50.0, 50.0, 40.0, 90.0, 90.0, 90.0)


def scrambled(data: Simulated, operators: list[gemmi.Op], seed: int) -> tuple[Simulated, list[int]]:
    """Return the data with each still in a setting at random, and which."""
    rng = np.random.default_rng(seed)
    n = len(data.stills["image"])
    chosen = rng.integers(0, len(operators), n)
    hkl, a = data.reflections["hkl"].copy(), data.stills["a_matrix"].copy()
    for i, k in enumerate(chosen):
        rotation = np.array(operators[k].rot) // 24
        own = data.reflections["z"] == i + 0.5
        hkl[own] = hkl[own] @ rotation
        a[i] = a[i] @ np.linalg.inv(rotation).T
    mixed = Simulated(
        {**data.reflections, "hkl": hkl.astype(np.int32)}, {**data.stills, "a_matrix": a},
        data.experiments, data.truth, data.scale, data.tilts,
    )  # fmt: skip
    return mixed, chosen.tolist()


@pytest.mark.parametrize(
    ("symbol", "cell", "n_settings"),
    [("P 4", TETRAGONAL, 2), ("P 6", HEXAGONAL, 2), ("P 3", HEXAGONAL, 4)],
)
def test_stills_come_to_one_setting(symbol: str, cell: tuple[float, ...], n_settings: int) -> None:
    data = simulated(60, symbol=symbol, cell=cell, stretch=0.0, bright=100.0)
    unit, group = gemmi.UnitCell(*cell), gemmi.SpaceGroup(symbol)
    operators = ambiguous_operators(unit, group, 1.0)
    assert len(operators) == n_settings
    mixed, chosen = scrambled(data, operators, 1)
    alone = StillsMergingParameters.model_validate({"ambiguity": {"resolve": False}})
    before = merge_stills(mixed.reflections, mixed.stills, mixed.experiments, alone)
    resolved = resolve_ambiguity(mixed.reflections, mixed.stills, mixed.experiments)
    after = merge_stills(mixed.reflections, mixed.stills, mixed.experiments)
    # what brings a still from the setting it was put in to the common one
    both = {(k, int(s)) for k, s in zip(chosen, resolved.setting, strict=True)}
    assert len(both) == n_settings
    assert {s for _, s in both} == set(range(n_settings))
    cc = [m.table("overall").rows[0]["cc_half"] for m in (before, after)]
    assert cc[1] > cc[0] + 0.1
    a_h = np.einsum("ij,j->i", mixed.stills["a_matrix"][0], mixed.reflections["hkl"][0])
    moved = np.einsum("ij,j->i", resolved.stills["a_matrix"][0], resolved.reflections["hkl"][0])
    np.testing.assert_allclose(moved, a_h, atol=1e-15)


def test_a_crystal_of_the_lattices_symmetry_stays_as_it_is() -> None:
    data = simulated(10)
    resolved = resolve_ambiguity(data.reflections, data.stills, data.experiments)
    assert resolved.reflections is data.reflections
    assert resolved.table.rows == [{"operator": "h,k,l", "n_stills": 10}]


def test_it_can_be_left_alone() -> None:
    data = simulated(10, symbol="P 4", cell=TETRAGONAL)
    parameters = StillsMergingParameters.model_validate({"ambiguity": {"resolve": False}})
    resolved = resolve_ambiguity(data.reflections, data.stills, data.experiments, parameters)
    np.testing.assert_array_equal(resolved.reflections["hkl"], data.reflections["hkl"])
    assert not resolved.setting.any()


def test_obliquity_says_what_lattice_is_meant() -> None:
    cell = gemmi.UnitCell(50, 51, 40, 90, 90, 90)
    group = gemmi.SpaceGroup("P 2 2 2")
    assert len(ambiguous_operators(cell, group, 0.1)) == 1
    assert len(ambiguous_operators(cell, group, 3.0)) == 2
