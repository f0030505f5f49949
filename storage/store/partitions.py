"""Partitions: the rows, arrays and models of one run, written by the task that made them.

A partition is written aside and complete by renaming, under ``.dxdask/partitions``; `commit`
moves it into the step's result. The writer needs no lock: the process that planned the job holds
that of the branch.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dxdask import columns
from dxdask.errors import SchemaError, StoreNotFoundError
from dxdask.models import ExperimentList
from dxdask.results import StepResult
from dxdask.storage.store import create, layout, read, schema
from dxdask.storage.store.disk import full_disk
from dxdask.storage.store.provenance import now
from dxdask.storage.store.remedies import remedy
from dxdask.tables import Table


@dataclass(frozen=True, kw_only=True, slots=True)
class Partition:
    """Summary of the partition of a run: all but its rows and arrays; small, and picklable.

    Attributes
    ----------
    run, id, fingerprint : of the run, of this partition, of its inputs and parameters.
    parameters : that it was made with.
    n_reflections : number of rows.
    columns, arrays : names.
    experiments : of this run; the column `experiment` of the rows counts them from 0.
    tables, messages, problems : as in `StepResult`.
    """

    run: str
    id: str
    fingerprint: str
    parameters: Mapping[str, Any]
    n_reflections: int
    columns: tuple[str, ...]
    arrays: tuple[str, ...]
    experiments: ExperimentList
    tables: tuple[Table, ...] = ()
    messages: tuple[str, ...] = ()
    problems: tuple[Mapping[str, Any], ...] = field(default=())


def write_partition(
    root: Path,
    branch: str,
    step: str,
    result: StepResult,
    *,
    run: str,
    fingerprint: str,
    parameters: Mapping[str, Any],
) -> Partition:
    """Write the result of one run aside, complete or not at all; return its summary.

    result : its experiments are those of the run, its column `experiment` counts them from 0.

    Raises
    ------
    SchemaError
        The result holds what a store does not, or an experiment of another run.
    StoreWriteError
        The disk is full or refuses.
    """
    target = layout.partition_path(root, branch, step, run, fingerprint)
    schema.check_result(result)
    if others := set(result.experiments.runs) - {run}:
        raise SchemaError(
            f"the result of run {run!r} has experiments of {', '.join(sorted(others))}; "
            "give each run its own"
        )
    identifier = uuid.uuid4().hex
    attributes = {
        "id": identifier,
        "run": run,
        "step": layout.step_of(step),
        "created": now(),
        "fingerprint": fingerprint,
        "parameters": dict(parameters),
    }
    aside = target.with_name(f"{target.name}.{identifier}{layout.PARTIAL}")
    with full_disk(root, f"{layout.step_of(step)} of run {run!r}", aside):
        create.parents(root, aside)
        fill(aside, result, {**attributes, **described(result)})
        write_summary(aside, result)
        create.update(aside, {"complete": True})
        _put(aside, target)
    return _summary(attributes, result)


def found_partition(
    root: Path, branch: str, step: str, run: str, fingerprint: str
) -> Partition | None:
    """Return the partition that an interrupted job left complete, None where there is none."""
    path = layout.partition_path(root, branch, step, run, fingerprint)
    try:
        found = read.attributes(path)
        if found.get("complete") is not True or found["run"] != run:
            return None
        return None if found["fingerprint"] != fingerprint else summary_of(path)
    except (StoreNotFoundError, SchemaError, KeyError):
        return None


def summary_of(path: Path) -> Partition:
    """Return the summary of the partition in a folder, which `write_partition` wrote.

    Raises
    ------
    SchemaError
        It has no summary, or a damaged one.
    """
    attributes = read.attributes(path)
    shown = read.report(path)
    try:
        return Partition(
            run=str(attributes["run"]),
            id=str(attributes["id"]),
            fingerprint=str(attributes["fingerprint"]),
            parameters=attributes["parameters"],
            n_reflections=int(attributes["n_reflections"]),
            columns=tuple(attributes["columns"]),
            arrays=tuple(attributes["arrays"]),
            experiments=read.experiments(path),
            tables=tuple(Table.from_dict(t) for t in shown["tables"]),
            messages=tuple(shown["messages"]),
            problems=tuple(shown["problems"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, SchemaError):
            raise
        raise SchemaError(
            f"the partition {path} is damaged ({error}); {remedy(path, delete=True)}"
        ) from (error)


def described(result: StepResult) -> dict[str, Any]:
    """Return the attributes of a partition that describe its content."""
    return {
        "n_reflections": columns.n_rows(result.reflections),
        "columns": list(result.reflections),
        "arrays": list(result.arrays),
    }


def fill(folder: Path, result: StepResult, attributes: Mapping[str, Any]) -> None:
    """Write rows and arrays of a result to a new group with these attributes."""
    create.group(folder, attributes)
    for name, values in result.reflections.items():
        create.array(folder, name, values, schema.column_dims(name), schema.column_attributes(name))
    if not result.arrays:
        return
    create.group(folder / layout.ARRAYS, {})
    for name, values in result.arrays.items():
        dims = tuple(f"{name}_{axis}" for axis in range(np.ndim(values)))
        create.array(folder / layout.ARRAYS, name, np.asarray(values), dims, {})


def write_summary(folder: Path, result: StepResult) -> None:
    """Write models, tables, messages and problems of a result to a group that is there."""
    create.group(folder / layout.MODELS, {"experiments": result.experiments.to_dict()})
    create.group(
        folder / layout.REPORT,
        {
            "tables": [t.to_dict() for t in result.tables],
            "messages": list(result.messages),
            "problems": [dict(p) for p in result.problems],
        },
    )


def _put(aside: Path, target: Path) -> None:
    """Move a partition into its place; one that another task put there meanwhile is as good."""
    try:
        os.rename(aside, target)
    except OSError:
        if not target.exists():
            raise
        replaced = aside.with_name(f"{target.name}.{uuid.uuid4().hex}{layout.PARTIAL}")
        os.rename(target, replaced)
        os.rename(aside, target)
        shutil.rmtree(replaced, ignore_errors=True)


def _summary(attributes: Mapping[str, Any], result: StepResult) -> Partition:
    return Partition(
        run=attributes["run"],
        id=attributes["id"],
        fingerprint=attributes["fingerprint"],
        parameters=attributes["parameters"],
        n_reflections=columns.n_rows(result.reflections),
        columns=tuple(result.reflections),
        arrays=tuple(result.arrays),
        experiments=result.experiments,
        tables=result.tables,
        messages=result.messages,
        problems=result.problems,
    )
