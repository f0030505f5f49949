"""The experiment of each row of a DIALS table, and the rows that fit none."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections, n_rows, select
from dxdask.errors import FormatError, InputError
from dxdask.storage.importers.dials.jobs import DialsJob
from dxdask.storage.importers.dials.reflections import DialsTable, from_dials_columns


@dataclass(frozen=True, kw_only=True)
class PlacedRows:
    """Rows of a table with the experiments they belong to.

    Attributes
    ----------
    table : column `experiment` is the index of the experiment, -1 of a spot that is not indexed.
    row : (n,) where each is in the file.
    run : (n,) index, among the runs of the list, of the run of each row.
    left_out : number of rows by reason.
    messages : lines to report.
    """

    table: Reflections
    row: NDArray[np.int64]
    run: NDArray[np.int64]
    left_out: Counter[str]
    messages: tuple[str, ...]


def placed_rows(job: DialsJob, table: DialsTable) -> PlacedRows:
    """Return the rows of a table that belong to an experiment of its list, or to a run of it.

    Raises
    ------
    InputError
        Models and reflections do not belong together.
    FormatError
        The table has no rows, or lacks all of their places.
    """
    rows = from_dials_columns(table.columns)
    if not table.rows:
        raise FormatError(f"{job.table_path} has no reflections; give the table of another step")
    if "experiment" not in rows:
        raise FormatError(f"{job.table_path} lacks the column id; write it again with DIALS")
    experiment, messages = _experiments(job, table, rows["experiment"])
    rows["experiment"] = experiment.astype(np.int32)
    run = _runs(job, table, experiment)
    left_out: Counter[str] = Counter()
    keep = np.ones(table.rows, dtype=np.bool_)
    for reason, bad in (
        ("belongs to no experiment and no run", run < 0),
        ("its panel is not in the detector", ~_on_panel(job, rows, experiment)),
        ("its position is not a number", ~_finite(rows)),
    ):
        left_out[reason] += int((keep & bad).sum())
        keep &= ~bad
    if not keep.any():
        reasons = "; ".join(f"{n}: {reason}" for reason, n in left_out.items() if n)
        raise InputError(
            f"no reflection of {job.table_path} belongs to {job.path} ({reasons}); "
            "give the .expt that was written with it"
        )
    kept = np.flatnonzero(keep)
    return PlacedRows(
        table=select(rows, kept), row=kept, run=run[kept], left_out=+left_out, messages=messages
    )


def _experiments(
    job: DialsJob, table: DialsTable, ids: NDArray[np.int32]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the index of the experiment of each row, -1 for none, and lines to report."""
    known, n = job.models.identifiers, len(job.models.experiments)
    used = [i for i in np.unique(ids).tolist() if i >= 0]
    named = {i: table.identifiers[i] for i in used if table.identifiers.get(i)}
    places = {name: i for i, name in enumerate(known) if name}
    if named and set(named.values()) <= set(places) and len(places) == n:
        to_place = {i: places[name] for i, name in named.items()}
    elif max(used, default=-1) < n:
        to_place = {i: i for i in used}
    else:
        raise InputError(
            f"{job.table_path} has reflections of experiment {max(used)}, {job.path} has {n}; "
            "give the .expt that was written with it"
        )
    out = np.full(len(ids), -1, dtype=np.int64)
    for number, place in to_place.items():
        out[ids == number] = place
    differ = bool(named and places) and not set(named.values()) <= set(places)
    note = (
        f"the identifiers in {job.table_path} are not those in {job.path}: reflections are "
        "assigned by their numbers"
    )
    return out, (note,) if differ else ()


def _runs(job: DialsJob, table: DialsTable, experiment: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index of the run of each row, by its experiment or else its imageset."""
    experiments = job.models.experiments
    of_member = experiments.run_indices
    out = np.where(experiment >= 0, of_member[np.maximum(experiment, 0)], -1)
    if len(experiments.runs) == 1:
        return np.zeros(len(out), dtype=np.int64)
    imageset = table.columns.get("imageset_id")
    if imageset is not None:
        place = {name: i for i, name in enumerate(experiments.runs)}
        of_imageset = np.array(
            [-1 if run is None else place[run] for run in job.models.imageset_runs], dtype=np.int64
        )
        given = np.asarray(imageset, dtype=np.int64)
        fits = (out < 0) & (given >= 0) & (given < len(of_imageset))
        out[fits] = of_imageset[given[fits]]
    return out


def _on_panel(job: DialsJob, rows: Reflections, experiment: NDArray[np.int64]) -> NDArray[np.bool_]:
    if "panel" not in rows:
        rows["panel"] = np.zeros(n_rows(rows), dtype=np.int32)
    n_panels = np.array([len(e.detector.panels) for e in job.models.experiments])
    limit = n_panels[np.maximum(experiment, 0)]
    return np.asarray((rows["panel"] >= 0) & (rows["panel"] < limit))


def _finite(rows: Reflections) -> NDArray[np.bool_]:
    out = np.ones(n_rows(rows), dtype=np.bool_)
    for names in (("x", "y", "z"), ("x_cal", "y_cal", "z_cal")):
        if all(name in rows for name in names):
            out &= np.logical_and.reduce([np.isfinite(rows[name]) for name in names])
    return out
