"""Runs of DIALS's experiment lists, with the reflections that belong to them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import select
from dxdask.errors import InputError
from dxdask.models import Experiment
from dxdask.storage.formats import ImportedResult, RunSource, Supplement, without_frames
from dxdask.storage.importers.dials import steps
from dxdask.storage.importers.dials.belongs import require_belongs
from dxdask.storage.importers.dials.images import source_of_images
from dxdask.storage.importers.dials.jobs import DialsJob, check_counts, paired
from dxdask.storage.importers.dials.lookups import with_lookups
from dxdask.storage.importers.dials.parallax import mm_from_dials
from dxdask.storage.importers.dials.rows import PlacedRows, placed_rows
from dxdask.storage.importers.dials.shoeboxes import strong_pixels
from dxdask.storage.importers.dials.stills import read_stills
from dxdask.tables import Table

log = logging.getLogger("dxdask")


def read_jobs(paths: Sequence[Path], supplement: Supplement) -> list[RunSource]:
    """Return the runs in experiment lists, with results of the steps that their tables hold.

    Frames are read from the image files that a list names, where all of them are there.

    Raises
    ------
    InputError
        Files do not belong together, or are of stills.
    FormatError
        A file is damaged or incomplete.
    """
    runs = []
    for job in paired(paths):
        check_counts(job)
        if all(e.scan is None or e.scan.is_still for e in job.models.experiments):
            runs += read_stills(job, supplement.step)
            continue
        _require_sweeps(job)
        runs += _runs_of(job, supplement)
    return runs


def _require_sweeps(job: DialsJob) -> None:
    still = next((e for e in job.models.experiments if e.scan is None or e.scan.is_still), None)
    if still is not None:
        raise InputError(f"{job.path} has stills ({still.run}) and sweeps; import them apart")
    turning = [e for e in job.models.experiments if e.goniometer is None]
    if turning:
        raise InputError(
            f"{job.path}: {turning[0].run} has a scan and no goniometer; write it again with DIALS"
        )


def _runs_of(job: DialsJob, supplement: Supplement) -> list[RunSource]:
    placed, step = None, None
    if job.table is not None:
        placed = placed_rows(job, job.table)
        require_belongs(job, placed.table)
        placed = replace(placed, table=steps.in_tabulated_setting(placed.table, job))
        step = steps.step_of_table(job, job.table, placed.table, supplement.step)
    everyone = _identified(job)
    out = []
    for i, run in enumerate(job.models.experiments.runs):
        members = [k for k, e in enumerate(everyone) if e.run == run]
        own = [everyone[k] for k in members]
        results: tuple[ImportedResult, ...] = ()
        if placed is not None and step is not None:
            results = _results(job, placed, step, i, members, own)
        start = steps.without_crystal(own[0])
        source = source_of_images(job, start)
        if source is None:
            found = _described(job, start, results)
        else:
            files = (*source.files, *job.files)
            found = replace(source, files=files, results=results)
        out.append(with_lookups(job, found, job.models.imagesets[start.run]))
    return out


def _identified(job: DialsJob) -> list[Experiment]:
    """Return the experiments; those without identifiers of their own get the name of the run."""
    given = Counter(job.models.identifiers)
    out: list[Experiment] = []
    for name, experiment in zip(job.models.identifiers, job.models.experiments, strict=True):
        earlier = sum(e.run == experiment.run for e in out)
        own = f"{experiment.run}_{earlier + 1}" if earlier else experiment.run
        unique = bool(name) and given[name] == 1
        out.append(replace(experiment, identifier=name if unique else own))
    return out


def _described(
    job: DialsJob, experiment: Experiment, results: tuple[ImportedResult, ...]
) -> RunSource:
    if experiment.scan is None:
        raise InputError(f"{job.path}: {experiment.run} has no scan")
    log.warning(
        "the image files of %s are not there: it is imported without frames", experiment.run
    )
    shape = (experiment.scan.n_images, *experiment.detector.frame_shape)
    return without_frames(experiment.run, experiment, shape, job.files, results)


def _results(
    job: DialsJob,
    placed: PlacedRows,
    step: str,
    run: int,
    members: Sequence[int],
    own: Sequence[Experiment],
) -> tuple[ImportedResult, ...]:
    """Return the results of a run: of its step, and of steps before it whose rows are here too."""
    mine = np.flatnonzero(placed.run == run)
    place = np.full(max(members) + 2, -1, dtype=np.int32)
    place[list(members)] = np.arange(len(members), dtype=np.int32)
    of_row = place[placed.table["experiment"][mine]]
    out = []
    for name in steps.steps_before(step):
        chosen = np.flatnonzero(of_row >= 0) if name in ("integrate", "scale") else slice(None)
        rows, experiment = mine[chosen], of_row[chosen]
        if name != "find_spots":
            order = np.argsort(np.maximum(experiment, 0), kind="stable")
            rows, experiment = rows[order], experiment[order]
        table = {**select(placed.table, rows), "experiment": experiment}
        table = mm_from_dials(table, [e.detector for e in own])
        out.append(
            ImportedResult(
                step=name,
                experiments=(steps.without_crystal(own[0]),)
                if name == "find_spots"
                else tuple(own),
                reflections=steps.rows_of_step(name, table, own),
                arrays=_pixels(job, placed.row[rows]) if name == "find_spots" else {},
                messages=placed.messages,
                tables=_tables(placed, own[0].run, len(rows), len(mine)),
            )
        )
    return tuple(out)


def _pixels(job: DialsJob, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Return the strong pixels of spots, none where the file has no shoeboxes."""
    if job.table is None or job.table.shoeboxes is None:
        return {}
    return strong_pixels(job.table_path, job.table.shoeboxes, job.table.rows, rows)


def _tables(placed: PlacedRows, run: str, n: int, n_run: int) -> tuple[Table, ...]:
    rows = [{"run": run, "reason": "imported", "n": n}]
    if n_run > n:
        rows.append({"run": run, "reason": "left out: not of a crystal", "n": n_run - n})
    rows += [
        {"run": run, "reason": f"left out: {reason} (all runs)", "n": count}
        for reason, count in placed.left_out.items()
    ]
    return (Table(name="imported", title="Imported reflections", rows=rows),)
