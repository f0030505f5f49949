"""Committing a step: all of it aside, then into its place by renaming (`swap`)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dxdask.columns import n_rows
from dxdask.errors import InputError, SchemaError, StoreNotFoundError
from dxdask.results import StepResult
from dxdask.storage.store import create, layout, read, schema
from dxdask.storage.store.combine import combined, runs_in_order
from dxdask.storage.store.disk import full_disk
from dxdask.storage.store.manifest import Manifest, RunEntry
from dxdask.storage.store.partitions import (
    Partition,
    described,
    fill,
    summary_of,
    write_summary,
)
from dxdask.storage.store.provenance import now, versions
from dxdask.storage.store.split import split_by_run
from dxdask.storage.store.swap import give_back, link_partition, move_partition, put_in_place


@dataclass(frozen=True, slots=True)
class _Source:
    """The folder of a partition that is committed, and its entry in the manifest."""

    folder: Path
    entry: RunEntry
    columns: tuple[str, ...]
    is_kept: bool


def write_step(
    root: Path,
    name: str,
    result: StepResult,
    *,
    parameters: Mapping[str, Any],
    fingerprint: str,
    seconds: Mapping[str, float],
    branch: str = layout.MAIN,
) -> str:
    """Write a step's result in the place of the previous one; return its id.

    The caller holds the lock of the branch. Rows go to the partitions of their runs.

    Raises
    ------
    SchemaError
        The result has columns or arrays that a store does not hold.
    InputError
        A table or parameter holds what JSON cannot, or no group can have that name.
    StoreWriteError
        The disk is full or refuses; what was there before is intact.
    """
    schema.check_result(result)
    own, parts = split_by_run(result)
    base = _base(branch, name, parameters, fingerprint, seconds)
    staged = layout.staging_path(root, branch) / f"{base.step}-{base.id}"
    runs = {}
    with full_disk(root, base.step, staged):
        for run, part in parts.items():
            given = {"id": uuid.uuid4().hex, "run": run, "fingerprint": fingerprint}
            attributes = {**given, **described(part)}
            folder = staged / layout.RUNS / layout.safe_name(run, "a run")
            create.parents(root, folder)
            fill(folder, part, attributes)
            runs[run] = _run_entry(attributes, len(part.experiments), parameters)
        _write_ensemble(root, staged, own)
        made_from = dict.fromkeys(result.experiments.runs, fingerprint)
        counted = _with_counts(base, runs, own, tuple(result.reflections))
        manifest = replace(counted, made_from=made_from)
        put_in_place(root, staged, manifest)
    return base.id


def commit_step(
    root: Path,
    branch: str,
    step: str,
    partitions: Sequence[Partition],
    *,
    kept: Sequence[str] = (),
    result: StepResult | None,
    fingerprint: str,
    parameters: Mapping[str, Any],
    seconds: Mapping[str, float],
    made_from: Mapping[str, str] | None = None,
    peak_memory: int | None = None,
) -> str:
    """Commit partitions, and those of the runs `kept` of the present version; return the id.

    The caller holds the lock of the branch. Runs are in the order of `result.experiments`, else in
    that of import.

    result : experiments of all runs, what the step made of them together, and rows of no run;
    None: all combined from the partitions.
    made_from : fingerprint of each run that the result is made from; None: those of the partitions.
    peak_memory : bytes that the process had at most, where the step ran in one.

    Raises
    ------
    SchemaError
        A partition is missing or damaged, or they do not agree with each other or with `result`.
    InputError
        A run has two partitions.
    StoreNotFoundError
        A run to be kept is not in the present version.
    StoreWriteError
        The disk is full or refuses; what was there before is intact, and so are the partitions.
    """
    if result is not None:
        schema.check_result(result)
    base = _base(branch, step, parameters, fingerprint, seconds)
    made = {p.run: p for p in partitions}
    if len(made) < len(partitions) or set(made) & set(kept):
        raise InputError(f"a run has two partitions of {base.step}; give each run once")
    sources = _kept(root, base, kept) | {r: _new(root, base, p) for r, p in made.items()}
    order = runs_in_order(root, list(sources), result)
    sources = {run: sources[run] for run in order}
    own = result or combined([made.get(r) or summary_of(s.folder) for r, s in sources.items()])
    entries = {run: source.entry for run, source in sources.items()}
    manifest = replace(
        _with_counts(base, entries, own, _columns(sources, own, base.step)),
        made_from=made_from or {run: entry.fingerprint for run, entry in entries.items()},
        peak_memory=peak_memory,
    )
    staged = layout.staging_path(root, branch) / f"{base.step}-{base.id}"
    with full_disk(root, base.step, staged):
        try:
            _write_ensemble(root, staged, own)
            for run, source in sources.items():
                place = link_partition if source.is_kept else move_partition
                place(root, source.folder, staged / layout.RUNS / run)
            put_in_place(root, staged, replace(manifest, combined=result is None))
        except BaseException:
            give_back(root, branch, staged)
            raise
    return base.id


def _base(
    branch: str,
    name: str,
    parameters: Mapping[str, Any],
    fingerprint: str,
    seconds: Mapping[str, float],
) -> Manifest:
    return Manifest(
        id=uuid.uuid4().hex,
        step=layout.safe_name(layout.step_of(name), "a step"),
        branch=layout.safe_name(branch, "a branch"),
        created=now(),
        fingerprint=fingerprint,
        parameters=parameters,
        seconds=seconds,
        versions=versions(),
    )


def _with_counts(
    base: Manifest, runs: dict[str, RunEntry], own: StepResult, columns: tuple[str, ...]
) -> Manifest:
    """Return the manifest of these partitions and of what lies in none, `own`."""
    of_runs = (name for entry in runs.values() for name in entry.arrays)
    return replace(
        base,
        n_reflections=n_rows(own.reflections) + sum(e.n_reflections for e in runs.values()),
        n_experiments=len(own.experiments),
        columns=columns,
        arrays=tuple(dict.fromkeys([*own.arrays, *of_runs])),
        runs=runs,
        n_ensemble_reflections=n_rows(own.reflections),
        ensemble_columns=tuple(own.reflections),
        ensemble_arrays=tuple(own.arrays),
    )


def _run_entry(
    attributes: Mapping[str, Any], n_experiments: int, of_step: Mapping[str, Any]
) -> RunEntry:
    parameters = attributes.get("parameters", of_step)
    return RunEntry(
        id=attributes["id"],
        fingerprint=attributes["fingerprint"],
        n_reflections=attributes["n_reflections"],
        n_experiments=n_experiments,
        arrays=tuple(attributes["arrays"]),
        parameters=None if parameters == of_step else parameters,
    )


def _new(root: Path, base: Manifest, partition: Partition) -> _Source:
    """Return the partition that `write_partition` wrote.

    Raises
    ------
    SchemaError
        It is not there any more, or another one is.
    """
    run = partition.run
    folder = layout.partition_path(root, base.branch, base.step, run, partition.fingerprint)
    try:
        attributes = read.attributes(folder)
    except StoreNotFoundError:
        attributes = {}
    if attributes.get("fingerprint") != partition.fingerprint or not attributes.get("complete"):
        raise SchemaError(
            f"the partition of run {run!r} of {base.step} is not at {folder}; run {base.step} again"
        )
    entry = _run_entry(attributes, len(partition.experiments), base.parameters)
    return _Source(folder, entry, tuple(attributes["columns"]), is_kept=False)


def _kept(root: Path, base: Manifest, kept: Sequence[str]) -> dict[str, _Source]:
    """Return the partitions of these runs in the present version."""
    if not kept:
        return {}
    path = read.require_step(root, base.step, base.branch)
    present = read.manifest(path)
    if missing := [run for run in kept if run not in present.runs]:
        raise StoreNotFoundError(
            f"{base.step} in {root} has no partition of {', '.join(missing)} to keep; "
            f"it has {', '.join(present.runs) or 'none'}"
        )
    found = {}
    for run in kept:
        entry = present.runs[run]
        own = present.parameters if entry.parameters is None else entry.parameters
        entry = replace(entry, parameters=None if own == base.parameters else own)
        found[run] = _Source(path / layout.RUNS / run, entry, present.columns, is_kept=True)
    return found


def _columns(sources: Mapping[str, _Source], own: StepResult, step: str) -> tuple[str, ...]:
    """Return the columns of all rows.

    Raises
    ------
    SchemaError
        They differ.
    """
    filled = {run: s.columns for run, s in sources.items() if s.entry.n_reflections}
    if n_rows(own.reflections):
        filled["no run"] = tuple(own.reflections)
    if not filled:
        return max((tuple(own.reflections), *(s.columns for s in sources.values())), key=len)
    first, columns = next(iter(filled.items()))
    for run, others in filled.items():
        if set(others) != set(columns):
            differ = ", ".join(sorted(set(others) ^ set(columns)))
            raise SchemaError(
                f"the partitions of {step} of {first} and {run} differ in columns {differ}; "
                f"run {step} again"
            )
    return columns


def _write_ensemble(root: Path, staged: Path, own: StepResult) -> None:
    """Write what lies in no partition to the folder `staged`."""
    create.parents(root, staged)
    fill(staged, own, {})
    write_summary(staged, own)
