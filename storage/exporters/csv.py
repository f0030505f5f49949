"""Tables of reflections as comma-separated text, with the column names of `dxdask.columns`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from dxdask.columns import COLUMNS, Reflections, check
from dxdask.storage.exporters.whole_file import whole_file


def to_frame(reflections: Reflections) -> pd.DataFrame:
    """Return the table with a column of numbers for each column; several numbers a row become
    several columns.

    The index `hkl` gives h, k, l; others get the name of the part behind theirs (`s1_x`,
    `bbox_z0`).
    """
    check(reflections)
    columns = {}
    for name, values in reflections.items():
        parts = COLUMNS[name].parts
        if not parts:
            columns[name] = values
        for i, part in enumerate(parts):
            columns[part if name == "hkl" else f"{name}_{part}"] = values[:, i]
    return pd.DataFrame(columns)


def write_csv(path: str | Path, reflections: Reflections) -> None:
    """Write reflections with a line of names first; numbers read back unchanged, nan is left
    empty.

    Raises
    ------
    SchemaError
        A column is unknown or ill shaped.
    """
    with whole_file(path) as aside:
        to_frame(reflections).to_csv(aside, index=False, lineterminator="\n")
