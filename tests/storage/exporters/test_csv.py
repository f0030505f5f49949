"""Tables as CSV read back to the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dxdask.columns import COLUMNS, empty
from dxdask.errors import SchemaError
from dxdask.storage.exporters.csv import to_frame, write_csv


def test_numbers_read_back_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = {
        "experiment": np.arange(5, dtype=np.int32),
        "hkl": rng.integers(-9, 9, (5, 3)).astype(np.int32),
        "s1": rng.normal(size=(5, 3)),
        "intensity": np.array([1 / 3, -1e-300, 1e300, np.nan, 0.0]),
        "entering": np.array([True, False, True, False, True]),
        "flags": np.full(5, 2**31, np.uint32),
    }
    path = tmp_path / "table.csv"
    write_csv(path, table)
    back = pd.read_csv(path, converters=dict.fromkeys(["s1_x", "s1_y", "s1_z"], float))
    # some versions of pandas round the last digit; Python does not
    lines = path.read_text().splitlines()
    intensity = [float(line.split(",")[7] or "nan") for line in lines[1:]]
    names = ["experiment", "h", "k", "l", "s1_x", "s1_y", "s1_z", "intensity", "entering", "flags"]
    assert list(back) == names
    np.testing.assert_array_equal(back[["h", "k", "l"]], table["hkl"])
    np.testing.assert_array_equal(back[["s1_x", "s1_y", "s1_z"]], table["s1"])
    np.testing.assert_array_equal(intensity, table["intensity"])
    np.testing.assert_array_equal(back["flags"], table["flags"])
    assert b"\r" not in path.read_bytes()


def test_every_known_column_has_names_of_its_own() -> None:
    frame = to_frame(empty(list(COLUMNS)))
    assert len(set(frame.columns)) == len(frame.columns)
    assert {"h", "k", "l", "bbox_z1", "x_cal"} <= set(frame.columns)


def test_unknown_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="colour"):
        write_csv(tmp_path / "no.csv", {"colour": np.zeros(2)})
