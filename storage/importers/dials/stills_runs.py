"""Runs of the stills in an experiment list: of the image files it names, or without frames."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dxdask.errors import DxdaskError, InputError, plain
from dxdask.models import Scan
from dxdask.storage.formats import RunSource, without_frames
from dxdask.storage.importers.dials.jobs import DialsJob
from dxdask.storage.importers.selection import images_of

log = logging.getLogger("dxdask")

Where = tuple[int, int]
"""A run, and an image of it, from 0."""


@dataclass(frozen=True, kw_only=True)
class StillsRuns:
    """Runs, and the place among their images of each experiment of a list."""

    runs: tuple[RunSource, ...]
    where: tuple[Where, ...]


def runs_with_frames(job: DialsJob) -> StillsRuns:
    """Return the runs of the image files that a list names: all of their images.

    A list of one image of a file of many has a run of that image alone.

    Raises
    ------
    InputError
        Image files are missing, cannot be read, or lack an image.
    """
    named = _named(job)
    missing = next((name for name, _ in named if not name.is_file()), None)
    if missing is not None:
        raise InputError(
            f"{job.path} has stills, and their image file {missing} is not there; put it where "
            "the .expt file says"
        )
    runs = _read(job, [path for path, _ in named])
    place = {key: (i, image) for i, run in enumerate(runs) for key, image in _images(run).items()}
    where = []
    for path, index in named:
        key = (path.resolve(), index)
        if key not in place:
            key = (path.resolve(), None)
        if key not in place:
            raise InputError(f"{path} has no image {index}, which {job.path} names")
        where.append(place[key])
    if len(set(named)) == 1:
        number, image = where[0]
        one = _single_image(runs[number], image)
        return StillsRuns(runs=(one,), where=tuple((0, 0) for _ in where))
    return StillsRuns(runs=tuple(runs), where=tuple(where))


def _single_image(run: RunSource, image: int) -> RunSource:
    """Return one image of a run, as the files that dials.stills_process writes for each image."""
    if run.shape[0] == 1:
        return run
    part = images_of(run, image, image + 1)
    return replace(part, name=f"{run.name}_{run.experiment.first_image + image}")


def runs_without_frames(job: DialsJob) -> StillsRuns:
    """Return runs without frames: an event for each experiment, a run for the events of each file.

    Image files of one event each, which differ by a number, make one run. Of several lattices of an
    image each is an event.
    """
    named = _named(job)
    several = {path for path, index in named if index}
    groups: dict[str, list[int]] = {}
    for k, (path, _) in enumerate(named):
        key = str(path) if path in several else re.sub(r"\d+", "#", path.name)
        groups.setdefault(key, []).append(k)
    where: list[Where] = [(0, 0)] * len(named)
    taken: set[str] = set()
    runs = []
    for number, mine in enumerate(groups.values()):
        for event, k in enumerate(mine):
            where[k] = (number, event)
        runs.append(_described(job, _name(named[mine[0]][0], number, taken), mine))
    log.warning(
        "%s: the stills are imported without frames, an event for each crystal", job.path.name
    )
    return StillsRuns(runs=tuple(runs), where=tuple(where))


def has_frames(job: DialsJob) -> bool:
    """Return True if all image files that a list names are there."""
    return all(path.is_file() for path, _ in _named(job))


def has_several_lattices(job: DialsJob) -> bool:
    """Return True if images have more than one crystal."""
    named = _named(job)
    return len(set(named)) < len(named)


def _named(job: DialsJob) -> list[tuple[Path, int | None]]:
    """Return the image file of each experiment, and the index of its image in a file of many."""
    found: list[tuple[Path, int | None]] = []
    for experiment in job.models.experiments:
        imageset = job.models.imagesets[experiment.run]
        names = (job.path.parent / imageset.template, Path(imageset.template))
        path = next((p for p in names if p.is_file()), Path(imageset.template or "stills"))
        found.append((path, imageset.indices[0] if imageset.indices else None))
    return found


def _read(job: DialsJob, paths: Sequence[Path]) -> list[RunSource]:
    # the reader of DIALS files is itself called by these
    from dxdask.storage.importers.read import read_runs

    try:
        return read_runs(list(dict.fromkeys(p.resolve() for p in paths)))
    except DxdaskError as error:
        raise InputError(f"the image files of {job.path} are not used: {plain(error)}") from error


def _images(run: RunSource) -> dict[tuple[Path, int | None], int]:
    """Return the image of a run for each file, and index in it."""
    files = [Path(f).resolve() for f in run.files]
    if len(files) == 1:
        every: dict[tuple[Path, int | None], int] = {(files[0], i): i for i in range(run.shape[0])}
        return every | ({(files[0], None): 0} if run.shape[0] == 1 else {})
    return {(path, None): i for i, path in enumerate(files[: run.shape[0]])}


def _name(path: Path, number: int, taken: set[str]) -> str:
    stem = re.sub(r"[_.-]*\d*$", "", path.name.partition(".")[0]) or f"run{number + 1}"
    name = stem if stem not in taken else f"{stem}_{number + 1}"
    taken.add(name)
    return name


def _described(job: DialsJob, name: str, mine: Sequence[int]) -> RunSource:
    """Return a run of the experiments of these places, one event each."""
    experiments = job.models.experiments
    first = experiments[mine[0]]
    wavelengths = tuple(experiments[k].beam.wavelength for k in mine)
    beam = replace(first.beam, wavelength=float(np.median(wavelengths)), wavelengths=wavelengths)
    scan = Scan(image_range=(1, len(mine)), oscillation=(0.0, 0.0))
    models = replace(
        first, identifier=name, run=name, beam=beam, scan=scan, goniometer=None, crystal=None,
        profile=None,
    )  # fmt: skip
    shape = (len(mine), *first.detector.frame_shape)
    return without_frames(name, models, shape, job.files, ())
