"""`process` determines the space group where none is given."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.ensemble_example import QUICK

import dxdask
from dxdask.models.symmetry import is_absent

pytestmark = [pytest.mark.jit, pytest.mark.slow]


def test_from_a_lattice_without_symmetry_to_the_space_group(
    raw: list[Path], tmp_path: Path
) -> None:
    given = {k: v for k, v in QUICK.items() if "space_group" not in k and "unit_cell" not in k}
    store = dxdask.process(raw, tmp_path / "blind.zarr", show=dxdask.quiet, **given)
    # the lattice has m-3m, the crystal m-3
    assert store.experiments("integrate").crystals[0].space_group == "P 1"
    found = store.experiments("symmetry").crystals[0].gemmi_space_group
    assert found.centring_type() == "I"
    assert found.laue_str() == "m-3"
    assert store.table("symmetry", "space_groups")["space_groups"][0] == "I 2 3 or I 21 3"
    assert "I 2 3 and I 21 3 cannot be told apart" in "\n".join(store.messages("symmetry"))
    scaled = store.experiments("scale").crystals[0].gemmi_space_group
    assert scaled.number == found.number
    merged = store.columns("merge", ["hkl"])["hkl"]
    assert len(merged)
    assert not is_absent(merged, found).any()
