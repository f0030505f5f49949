"""Tables of reflections as comma-separated text, with the column names of `dxdask.columns`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from dxdask.columns import COLUMNS, Reflections, check
from dxdask.storage.exporters.processing import Processing, history
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


def write_csv(
    path: str | Path, reflections: Reflections, processing: Processing | None = None
) -> None:
    """Write reflections with a line of names first; numbers read back unchanged, nan is left
    empty.

    processing : to be written as lines of `# ...` before the names, which readers have to be told
        to skip (`pandas.read_csv(..., comment="#")`).

    Raises
    ------
    SchemaError
        A column is unknown or ill shaped.
    """
    frame = to_frame(reflections)
    with whole_file(path) as aside, aside.open("w", newline="") as file:
        if processing is not None:
            file.writelines(f"# {line}\n" for line in history(processing))
        frame.to_csv(file, index=False, lineterminator="\n")
