"""Many indices at once give what gemmi gives one by one."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxdask.models.symmetry import (
    asu_indices,
    epsilon,
    is_absent,
    is_centric,
    pack,
    possible_reflections,
    spacings,
    unpack,
)

GROUPS = [
    "P 1",
    "P -1",
    "C 1 2 1",
    "A 1 2 1",
    "P 21 2 21",
    "P 32 2 1",
    "R 3:H",
    "R 3:R",
    "P 63/m",
    "I 21 3",
    "F 4 3 2",
]


@pytest.mark.parametrize("symbol", GROUPS)
def test_asymmetric_unit_is_gemmis(symbol: str) -> None:
    group = gemmi.find_spacegroup_by_name(symbol)
    hkl = np.random.default_rng(2).integers(-6, 7, (500, 3)).astype(np.int32)
    asu, isym = asu_indices(hkl, group)
    one, ops = gemmi.ReciprocalAsu(group), group.operations()
    expected = [one.to_asu(h, ops) for h in hkl.tolist()]
    np.testing.assert_array_equal(asu, [e[0] for e in expected])
    np.testing.assert_array_equal(isym, [e[1] for e in expected])
    np.testing.assert_array_equal(
        is_absent(hkl, group), [ops.is_systematically_absent(h) for h in hkl.tolist()]
    )
    np.testing.assert_array_equal(
        is_centric(hkl, group), [ops.is_reflection_centric(h) for h in hkl.tolist()]
    )
    np.testing.assert_array_equal(
        epsilon(hkl, group), [ops.epsilon_factor_without_centering(h) for h in hkl.tolist()]
    )


@given(st.lists(st.tuples(*[st.integers(-(2**19), 2**19)] * 3), min_size=1, max_size=50))
def test_packed_indices_come_back_and_sort_alike(rows: list[tuple[int, int, int]]) -> None:
    hkl = np.array(rows, dtype=np.int32)
    np.testing.assert_array_equal(unpack(pack(hkl)), hkl)
    assert [rows[i] for i in np.argsort(pack(hkl), kind="stable")] == sorted(rows)


def test_possible_reflections_are_unique_and_within_limits() -> None:
    group, cell = gemmi.SpaceGroup("I 21 3"), gemmi.UnitCell(30, 30, 30, 90, 90, 90)
    hkl = possible_reflections(cell, group, d_min=2.0, d_max=10.0)
    d = spacings(hkl, cell)
    assert d.min() >= 2.0
    assert d.max() <= 10.0
    assert not is_absent(hkl, group).any()
    np.testing.assert_array_equal(asu_indices(hkl, group)[0], hkl)
    assert len(np.unique(pack(hkl))) == len(hkl)


def test_no_indices() -> None:
    asu, isym = asu_indices(np.zeros((0, 3), np.int32), gemmi.SpaceGroup(1))
    assert asu.shape == (0, 3)
    assert isym.shape == (0,)
