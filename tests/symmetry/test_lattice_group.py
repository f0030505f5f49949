"""Axes of the Laue groups that a lattice allows."""

from __future__ import annotations

import pytest

from dxdask.indexing.common_setting import common_setting
from dxdask.indexing.reduction import changed, inverse
from dxdask.models import Crystal, cell_of
from dxdask.symmetry.lattice_group import laue_groups


@pytest.mark.parametrize(
    ("beta", "expected"), [(75.0, 105.0), (105.0, 105.0), (89.9, 89.9), (90.2, 90.2)]
)
def test_beta_is_not_acute(beta: float, expected: float) -> None:
    crystal = Crystal.from_cell((40.0, 45.0, 50.0, 90.0, beta, 90.0))
    common = common_setting((crystal,))
    groups = laue_groups(common.reduced, 0.05, (inverse(common.changes[0]), "P"))
    (monoclinic,) = (g for g in groups if len(g.rotations) == 2)
    cell = cell_of(changed(common.reduced, monoclinic.change))
    assert cell == pytest.approx((40.0, 45.0, 50.0, 90.0, expected, 90.0))
    assert monoclinic.group.xhm() == "P 1 2 1"
