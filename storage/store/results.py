"""The committed result of a step, or parts of it, from the step's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import COLUMNS, Reflections, empty
from dxdask.errors import SchemaError, StoreNotFoundError
from dxdask.models import ExperimentList
from dxdask.results import StepResult
from dxdask.storage.store import array_checks, layout, read
from dxdask.storage.store.combine import joined_arrays
from dxdask.storage.store.manifest import Manifest
from dxdask.storage.store.remedies import remedy
from dxdask.tables import Table


def columns(path: Path, names: Sequence[str] | None, run: str | None) -> Reflections:
    """Return columns, all (None) or some, of all rows or of those of one run.

    The column `experiment` counts the experiments of the whole step in either case.

    Raises
    ------
    SchemaError
        One is missing or damaged, or they differ in length.
    """
    manifest = read.manifest(path)
    columns = stored_columns(path, manifest, names)
    if run is not None and not manifest.runs:
        return _rows_of_members(path, manifest, columns, run)
    folders = parts(path, manifest, run)
    row_bytes = sum(np.dtype(COLUMNS[n].dtype).itemsize for n in columns)
    n_bytes = sum(n for _, n, _ in folders) * row_bytes
    array_checks.check_memory(n_bytes, "the columns", path)
    return {name: _column(path, folders, name) for name in columns}


def stored_columns(path: Path, manifest: Manifest, names: Sequence[str] | None) -> list[str]:
    """Return the names of columns, all (None) or some.

    Raises
    ------
    SchemaError
        One is not there, or of a later dxdask.
    """
    columns = list(manifest.columns if names is None else names)
    missing = [n for n in columns if n not in manifest.columns]
    if missing:
        have = ", ".join(manifest.columns)
        raise SchemaError(f"{path} has no column {', '.join(missing)}; it has {have}")
    if unknown := [n for n in columns if n not in COLUMNS]:
        raise SchemaError(
            f"{path} lists a column {unknown[0]!r} that this dxdask does not know: upgrade dxdask"
        )
    return columns


def parts(path: Path, manifest: Manifest, run: str | None) -> list[tuple[Path, int, int]]:
    """Return the folders with rows, how many each has, and its first experiment."""
    found = []
    if run is None and manifest.n_ensemble_reflections:
        found.append((path, manifest.n_ensemble_reflections, 0))
    first = 0
    for name, entry in manifest.runs.items():
        if run in (None, name) and entry.n_reflections:
            found.append((path / layout.RUNS / name, entry.n_reflections, first))
        first += entry.n_experiments
    if run is not None and run not in manifest.runs:
        raise _unknown(path, run, list(manifest.runs))
    return found


def _unknown(path: Path, run: str, known: Sequence[str]) -> StoreNotFoundError:
    return StoreNotFoundError(
        f"{path} has no reflections of run {run!r}; runs are {', '.join(known)}"
    )


def _column(path: Path, folders: Sequence[tuple[Path, int, int]], name: str) -> NDArray[Any]:
    """Return the rows of all parts, one below the other."""
    if not folders:
        return empty([name])[name]
    spec = COLUMNS[name]
    n_all = sum(n for _, n, _ in folders)
    out = np.empty((n_all, len(spec.parts)) if spec.parts else n_all, spec.dtype)
    begin = 0
    for folder, n_rows, first in folders:
        place = out[begin : begin + n_rows]
        values = read.column(folder, name, out=place)
        if len(values) != n_rows:
            raise SchemaError(
                f"columns of {path} differ in length: {name} of {folder.name} has {len(values)} "
                f"rows, the manifest {n_rows}; {remedy(folder)}"
            )
        if name == "experiment" and first:
            place[place >= 0] += np.int32(first)
        begin += n_rows
    return out


def _rows_of_members(path: Path, manifest: Manifest, names: list[str], run: str) -> Reflections:
    """Return the rows of the experiments of a run, where rows do not lie by run."""
    members = read.experiments(path).members
    mine = [i for i, member in enumerate(members) if member.run == run]
    if not mine:
        raise _unknown(path, run, list(dict.fromkeys(m.run for m in members)))
    folders = [(path, manifest.n_ensemble_reflections, 0)]
    rows = np.isin(_column(path, folders, "experiment"), mine)
    return {name: _column(path, folders, name)[rows] for name in names}


def arrays(path: Path, names: Sequence[str] | None, run: str | None) -> dict[str, NDArray[Any]]:
    """Return the step's arrays beside its table, all (None) or some, of all runs or of one.

    Those of runs are put together by `combine.joined_arrays`.

    Raises
    ------
    SchemaError
        One is missing or damaged.
    """
    manifest = read.manifest(path)
    if run is not None:
        return _arrays_of_run(path, manifest, names, run)
    found: dict[str, NDArray[Any]] = {}
    for name in manifest.arrays:
        if names is not None and not any(n == name or n.startswith(f"{name}_") for n in names):
            continue
        if name in manifest.ensemble_arrays:
            found[name] = _array(path, name)
            continue
        parts = {
            run: _array(path / layout.RUNS / run, name)
            for run, entry in manifest.runs.items()
            if name in entry.arrays
        }
        found.update(joined_arrays(name, _counted_on(path, manifest, name, parts)))
    if names is None:
        return found
    missing = [n for n in names if n not in found]
    if missing:
        have = ", ".join(manifest.arrays)
        raise SchemaError(f"{path} has no array {', '.join(missing)}; it has {have}")
    return {name: found[name] for name in names}


def _counted_on(
    path: Path, manifest: Manifest, name: str, parts: dict[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Return arrays of runs with numbers that count on from run to run.

    `experiment` counts experiments, as the column does; `*_still` counts the rows of the tables of
    stills, which have an `image` each.
    """
    if name == "experiment":
        firsts = {run: manifest.first_experiment(run) for run in parts}
    elif name.endswith("_still"):
        lengths = [len(_array(path / layout.RUNS / run, "image")) for run in parts]
        firsts = dict(zip(parts, np.cumsum([0, *lengths]).tolist(), strict=False))
    else:
        return parts
    return {run: values + values.dtype.type(firsts[run]) for run, values in parts.items()}


def _arrays_of_run(
    path: Path, manifest: Manifest, names: Sequence[str] | None, run: str
) -> dict[str, NDArray[Any]]:
    if run not in manifest.runs:
        raise StoreNotFoundError(
            f"{path} has no arrays of run {run!r}; "
            f"runs with arrays of their own: {', '.join(manifest.runs) or 'none'}"
        )
    present = manifest.runs[run].arrays
    missing = [n for n in names or () if n not in present]
    if missing:
        have = ", ".join(present) or "none"
        raise SchemaError(f"{path} has no array {', '.join(missing)} of run {run}; it has {have}")
    chosen = present if names is None else names
    return arrays_in(path / layout.RUNS / run, chosen)


def arrays_in(folder: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return arrays of a partition, whose folder this is.

    Raises
    ------
    SchemaError
        One is missing or damaged.
    """
    return {name: _array(folder, name) for name in names}


def _array(folder: Path, name: str) -> NDArray[Any]:
    return read.array(
        folder / layout.ARRAYS / layout.safe_name(name, "an array"), f"array {name!r}"
    )


def experiments(path: Path, run: str | None = None) -> ExperimentList:
    """Return the models of a step, all or those of one run.

    Raises
    ------
    StoreNotFoundError
        There is no such run.
    SchemaError
        They are missing or damaged.
    """
    if run is None:
        return read.experiments(path)
    manifest = read.manifest(path)
    if manifest.combined and run in manifest.runs:
        return read.experiments(path / layout.RUNS / run)
    everyone = read.experiments(path)
    mine = [e for e in everyone if e.run == run]
    if not mine and run not in manifest.runs:
        raise StoreNotFoundError(
            f"{path} has no experiments of run {run!r}; runs are {', '.join(everyone.runs)}"
        )
    return ExperimentList.of(mine)


def whole(path: Path) -> StepResult:
    """Return the whole result."""
    return _result(
        read.report(path), experiments(path), columns(path, None, None), arrays(path, None, None)
    )


def of_run(path: Path, run: str) -> StepResult:
    """Return the result of one run, whose column `experiment` counts its own experiments.

    Tables, messages and problems are those of the run's own task, none where it had none.
    """
    manifest = read.manifest(path)
    table = columns(path, None, run)
    folder = path / layout.RUNS / run
    if "experiment" in table and run in manifest.runs:
        first = np.int32(manifest.first_experiment(run))
        table["experiment"] = np.where(
            table["experiment"] < 0, table["experiment"], table["experiment"] - first
        )
    has_report = (folder / layout.REPORT / layout.METADATA).is_file()
    shown = read.report(folder) if has_report else {"tables": (), "messages": (), "problems": ()}
    return _result(shown, experiments(path, run), table, arrays(path, None, run))


def _result(
    shown: dict[str, Any],
    experiments: ExperimentList,
    reflections: Reflections,
    arrays: dict[str, NDArray[Any]],
) -> StepResult:
    return StepResult(
        experiments=experiments,
        reflections=reflections,
        arrays=arrays,
        tables=tuple(Table.from_dict(t) for t in shown["tables"]),
        messages=tuple(shown["messages"]),
        problems=tuple(shown["problems"]),
    )
