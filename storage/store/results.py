"""The committed result of a step, or parts of it, from the step's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections
from dxdask.errors import SchemaError, StoreNotFoundError
from dxdask.models import ExperimentList
from dxdask.results import StepResult
from dxdask.storage.store import layout, read
from dxdask.tables import Table


def experiments(path: Path) -> ExperimentList:
    """Return the models of a step or of a run.

    Raises
    ------
    SchemaError
        They are missing or damaged.
    """
    try:
        return ExperimentList.from_dict(read.attributes(path / layout.MODELS)["experiments"])
    except (KeyError, TypeError, ValueError, AttributeError, StoreNotFoundError) as error:
        if isinstance(error, SchemaError):
            raise
        raise SchemaError(
            f"the models at {path} are damaged ({error}); run the step again"
        ) from error


def shown(path: Path) -> dict[str, Any]:
    """Return what the step showed: tables, messages, problems."""
    return read.attributes(path / layout.REPORT)


def columns(path: Path, names: Sequence[str] | None, run: str | None) -> Reflections:
    """Return columns, all (None) or some, of all rows or of those of one run.

    Raises
    ------
    SchemaError
        One is missing or damaged, or they differ in length.
    """
    present = read.attributes(path).get("columns", [])
    wanted = list(present if names is None else names)
    missing = [n for n in wanted if n not in present]
    if missing:
        raise SchemaError(f"{path} has no column {', '.join(missing)}; it has {', '.join(present)}")
    rows = slice(None) if run is None else _rows_of_run(path, run)
    if isinstance(rows, slice):
        table = {n: read.column(path, n, rows) for n in wanted}
    else:
        table = {n: read.column(path, n)[rows] for n in wanted}
    lengths = {n: len(values) for n, values in table.items()}
    if len(set(lengths.values())) > 1:
        raise SchemaError(f"columns of {path} differ in length: {lengths}; run the step again")
    return table


def _rows_of_run(path: Path, run: str) -> slice | NDArray[np.bool_]:
    """Return the rows of a run: a slice where its experiments lie together, else a mask."""
    runs_of_members = [m.run for m in experiments(path).members]
    mine = [i for i, r in enumerate(runs_of_members) if r == run]
    if not mine:
        known = ", ".join(dict.fromkeys(runs_of_members))
        raise StoreNotFoundError(f"{path} has no reflections of run {run!r}; runs are {known}")
    if (path / layout.OFFSETS).is_dir() and mine[-1] - mine[0] + 1 == len(mine):
        offsets = read.array(path / layout.OFFSETS, "row offsets").tolist()
        return slice(offsets[mine[0]], offsets[mine[-1] + 1])
    return np.isin(read.column(path, "experiment"), mine)


def arrays(path: Path, names: Sequence[str] | None) -> dict[str, NDArray[Any]]:
    """Return what the step gave beside its table, all (None) or some.

    Raises
    ------
    SchemaError
        One is missing or damaged.
    """
    present = read.attributes(path).get("arrays", [])
    wanted = list(present if names is None else names)
    missing = [n for n in wanted if n not in present]
    if missing:
        raise SchemaError(f"{path} has no array {', '.join(missing)}; it has {', '.join(present)}")
    folder = path / layout.ARRAYS
    return {n: read.array(folder / layout.safe_name(n, "an array"), f"array {n!r}") for n in wanted}


def whole(path: Path) -> StepResult:
    """Return the whole result."""
    found = shown(path)
    return StepResult(
        experiments=experiments(path),
        reflections=columns(path, None, None),
        arrays=arrays(path, None),
        tables=tuple(Table.from_dict(t) for t in found["tables"]),
        messages=tuple(found["messages"]),
        problems=tuple(found["problems"]),
    )
