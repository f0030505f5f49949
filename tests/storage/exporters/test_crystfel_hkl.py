"""CrystFEL's reflection lists: their lines, and the names of Laue groups."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
import pytest

from dxdask.errors import SchemaError
from dxdask.storage.exporters.crystfel_hkl import HEADING, laue_name, write_crystfel_hkl


def test_a_line_a_reflection_in_crystfels_columns(tmp_path: Path) -> None:
    table = {
        "hkl": np.array([[0, 0, 4], [12, -3, 5], [1, 1, 1]], np.int32),
        "intensity": np.array([1754.25, -3.5, np.nan]),
        "sigma": np.array([10.0, 2.25, 1.0]),
        "n_observations": np.array([7, 1, 2], np.int32),
    }
    write_crystfel_hkl(tmp_path / "m.hkl", table, gemmi.SpaceGroup("P 43 21 2"))
    lines = (tmp_path / "m.hkl").read_text().splitlines()
    assert lines[:3] == ["CrystFEL reflection list version 2.0", "Symmetry: 4/mmm", HEADING]
    assert lines[3] == "   0    0    4    1754.25        -      10.00       7"
    assert lines[4] == "  12   -3    5      -3.50        -       2.25       1"
    assert lines[5] == "End of reflections"


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("P 1", "-1"), ("P 1 21 1", "2/m_uab"), ("P 1 1 21", "2/m"), ("P 21 1 1", "2/m_uaa"),
        ("P 21 21 21", "mmm"), ("P 41", "4/m"), ("P 61 2 2", "6/mmm"), ("P 31", "-3_H"),
        ("P 31 2 1", "-3m1_H"), ("P 31 1 2", "-31m_H"), ("R 3 :R", "-3_R"), ("R 3 :H", "-3_H"),
        ("R 3 2 :R", "-3m_R"), ("R 3 2 :H", "-3m1_H"), ("P 21 3", "m-3"), ("F 4 3 2", "m-3m"),
    ],
)  # fmt: skip
def test_laue_groups_have_crystfels_names(symbol: str, name: str) -> None:
    assert laue_name(gemmi.SpaceGroup(symbol)) == name


def test_a_missing_column_is_said(tmp_path: Path) -> None:
    table = {"hkl": np.zeros((1, 3), np.int32), "intensity": np.ones(1)}
    with pytest.raises(SchemaError, match="sigma"):
        write_crystfel_hkl(tmp_path / "m.hkl", table, gemmi.SpaceGroup("P 1"))
