"""Indexed or integrated stills of DIALS's experiment lists: a run for the images of each file.

A list has an experiment for each still; a store has a run of events, with a table of stills that
holds the crystal of each (`dxdask.still_columns`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections, has_flag, n_rows, select
from dxdask.errors import FormatError, InputError
from dxdask.fate import Fate
from dxdask.models import Crystal, Experiment
from dxdask.storage.formats import ImportedResult, RunSource
from dxdask.storage.importers.dials.jobs import DialsJob
from dxdask.storage.importers.dials.lookups import with_lookups
from dxdask.storage.importers.dials.reflections import from_dials_columns
from dxdask.storage.importers.dials.steps import in_tabulated_setting
from dxdask.storage.importers.dials.stills_runs import (
    has_frames,
    has_several_lattices,
    runs_with_frames,
    runs_without_frames,
)
from dxdask.tables import Table

log = logging.getLogger("dxdask")

_TOLERANCE = 1e-6  # mm, of the places of panels
_INTENSITIES = ("intensity_sum", "intensity_sum_variance")
_DONE = {"index": "indexed", "integrate": "integrated"}


def read_stills(job: DialsJob, step: str | None = None) -> list[RunSource]:
    """Return the runs of a list of stills, with their crystals and reflections.

    All images of the files are there, those without an experiment not indexed; but of a list of one
    image it is that image alone. Of several
    lattices of an image the first is that of the table, the others are additional ones. Integrated
    stills whose image files are not there, or with several lattices of an image, have no frames,
    and an event for each crystal.

    step : that the table stands for, None: by its flags.

    Raises
    ------
    InputError
        Image files are missing or cannot be read, or experiments are of other frames.
    FormatError
        The table has none of the experiments, or lacks columns of its step.
    """
    rows = _rows(job)
    step = _step(job, rows, step)
    if step == "integrate" and (not has_frames(job) or has_several_lattices(job)):
        found = runs_without_frames(job)
    else:
        found = runs_with_frames(job)
    return [_with_stills(job, run, i, found.where, rows, step) for i, run in enumerate(found.runs)]


def _step(job: DialsJob, rows: Reflections, given: str | None) -> str:
    """Return `index` or `integrate`, the step that a table of stills stands for."""
    integrated = bool(rows) and "flags" in rows and has_flag(rows, Flag.INTEGRATED_SUM).any()
    step = given or ("integrate" if integrated else "index")
    if step not in ("index", "integrate"):
        raise InputError(f"{job.path} has stills: input.step can be index or integrate, not {step}")
    if step == "integrate":
        lacking = [n for n in (*_INTENSITIES, "flags") if n not in rows]
        if lacking or not integrated:
            raise FormatError(
                f"{job.table_path or job.path} has no integrated reflections "
                f"({', '.join(lacking) or 'none has the flag of a summed intensity'}); give those "
                "of integration, or input.step=index"
            )
    return step


def _rows(job: DialsJob) -> Reflections:
    """Return the reflections of the list, their experiments by place in it; -1 for none."""
    if job.table is None:
        return {}
    rows = from_dials_columns(job.table.columns)
    if "experiment" not in rows or "hkl" not in rows:
        raise FormatError(
            f"{job.table_path} has no indexed reflections, the only ones that are read of stills "
            f"(the images of {job.path} do not rotate: scan without width, or none): give those of "
            "indexing; if they are of a sweep, correct the oscillation of its scan"
        )
    if job.table.identifiers:
        places = {name: i for i, name in enumerate(job.models.identifiers)}
        of_id = {n: places.get(name, -1) for n, name in job.table.identifiers.items()}
        ids = rows["experiment"].tolist()
        rows["experiment"] = np.array([of_id.get(n, -1) for n in ids], dtype=np.int32)
    return in_tabulated_setting(rows, job)


def _with_stills(
    job: DialsJob,
    run: RunSource,
    number: int,
    where: Sequence[tuple[int, int]],
    rows: Reflections,
    step: str,
) -> RunSource:
    """Return a run with the geometry of its experiments and the result of the step."""
    experiments = job.models.experiments
    mine = [k for k, (i, _) in enumerate(where) if i == number]
    images = np.array([where[k][1] for k in mine], dtype=np.int64)
    first = experiments[mine[0]]
    first.detector.require_room(run.shape, f"{job.path} is for frames of")
    if any(_moved(first, experiments[k]) for k in mine):
        log.warning("%s: stills have detectors of their own; that of the first is taken", job.path)
    crystals = [experiments[k].crystal for k in mine]
    if any(c is None for c in crystals):
        raise InputError(
            f"{job.path} has stills without crystal; import their image files, with "
            f"input.reference_geometry={job.path} for the geometry, and run stills_process"
        )
    groups = {c.space_group for c in crystals if c is not None}
    if len(groups) > 1:
        raise InputError(f"{job.path} has stills of {', '.join(sorted(groups))}; give one form")
    cell = tuple(np.median([c.unit_cell for c in crystals if c is not None], axis=0).tolist())
    target = Crystal.from_cell(cell, space_group=groups.pop())
    wavelengths = np.array([experiments[k].beam.wavelength for k in mine])
    models = replace(run.experiment, detector=first.detector)
    table = _reflections(rows, mine, images, step)
    arrays = _stills(run, crystals, images, wavelengths, table)
    n = int(arrays["indexed"].sum())
    if step == "integrate":
        summed = np.floor(table["z"][has_flag(table, Flag.INTEGRATED_SUM)]).astype(np.int64)
        has_rows = np.isin(arrays["image"], summed)
        arrays["reason"][arrays["indexed"] & has_rows] = Fate.INTEGRATED
        arrays = {name: v for name, v in arrays.items() if not name.startswith("additional")}
        n = int(has_rows.sum())
    result = ImportedResult(
        step=step,
        experiments=(replace(models, crystal=target),),
        reflections=table,
        arrays=arrays,
        messages=(f"{n} of {run.shape[0]} stills {_DONE[step]} by DIALS",),
        tables=(
            Table(
                name="imported",
                title="Imported reflections",
                rows=[{"run": run.name, "reason": "imported", "n": n_rows(table)}],
            ),
        ),
    )
    files = (*run.files, *job.files)
    run = replace(run, experiment=models, files=files, results=(result,))
    return with_lookups(job, run, job.models.imagesets[first.run])


def _moved(one: Experiment, other: Experiment) -> bool:
    pairs = zip(one.detector.panels, other.detector.panels, strict=False)
    return len(one.detector) != len(other.detector) or any(
        np.abs(np.subtract(p.origin, q.origin)).max() > _TOLERANCE for p, q in pairs
    )


def _reflections(
    rows: Reflections, mine: Sequence[int], images: NDArray[np.int64], step: str
) -> Reflections:
    """Return the rows of a run with indices; z counts its images, and boxes too."""
    if not rows:
        return {"experiment": np.zeros(0, np.int32), "hkl": np.zeros((0, 3), np.int32),
                "z": np.zeros(0), "flags": np.zeros(0, np.uint32)}  # fmt: skip
    last = max([*mine, int(rows["experiment"].max(initial=-1))])
    image_of = np.full(last + 2, -1, dtype=np.int64)
    image_of[list(mine)] = images
    image = image_of[rows["experiment"]]
    kept = np.flatnonzero((image >= 0) & rows["hkl"].any(axis=1))
    kept = kept[np.argsort(image[kept], kind="stable")]
    table, image = select(rows, kept), image[kept]
    table["experiment"] = np.zeros(len(kept), np.int32)
    table["z"] = image + 0.5
    if "z_cal" in table:
        table["z_cal"] = image + 0.5
    if "bbox" in table:
        table["bbox"] = table["bbox"].copy()
        depth = table["bbox"][:, 5] - table["bbox"][:, 4]
        table["bbox"][:, 4] = image
        table["bbox"][:, 5] = image + depth
    if step == "index":
        flags = table.get("flags", np.zeros(len(kept), np.uint32))
        table["flags"] = (flags | np.uint32(Flag.INDEXED)).astype(np.uint32)
    return table


def _stills(
    run: RunSource,
    crystals: Sequence[Crystal | None],
    images: NDArray[np.int64],
    wavelengths: NDArray[np.float64],
    table: Reflections,
) -> dict[str, NDArray[Any]]:
    """Return the table of stills of a run, and its additional lattices."""
    n = run.shape[0]
    chosen, first = np.unique(images, return_index=True)
    others = np.setdiff1d(np.arange(len(images)), first)
    matrices = np.array([c.a for c in crystals if c is not None]).reshape(-1, 3, 3)
    a_matrix = np.zeros((n, 3, 3))
    a_matrix[chosen] = matrices[first]
    indexed = np.zeros(n, dtype=np.bool_)
    indexed[chosen] = True
    own = run.experiment.beam.wavelengths
    wavelength = np.full(n, run.experiment.beam.wavelength) if own is None else np.array(own)
    wavelength[chosen] = wavelengths[first]
    image = np.floor(table["z"]).astype(np.int64)
    counts = np.bincount(image[has_flag(table, Flag.INDEXED)], minlength=n).astype(np.int32)
    unknown = np.full(n, np.nan)
    return {
        "experiment": np.zeros(n, np.int32),
        "image": np.arange(n, dtype=np.int32),
        "event_id": np.asarray(run.columns.get("event_id", np.full(n, -1)), dtype=np.int64),
        "wavelength": wavelength,
        "n_strong_pixels": np.zeros(n, np.int32),
        "n_spots": counts,
        "hit": indexed.copy(),
        "indexed": indexed,
        "n_indexed": counts.copy(),
        "a_matrix": a_matrix,
        "rmsd_x_px": unknown,
        "rmsd_y_px": unknown.copy(),
        "domain_size": unknown.copy(),
        "half_mosaicity": unknown.copy(),
        "reason": np.where(indexed, Fate.INDEXED, Fate.NOT_INDEXED).astype(np.int32),
        "additional_still": images[others].astype(np.int64),
        "additional_a_matrix": matrices[others],
    }
