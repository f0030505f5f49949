"""Frames of the image files that an experiment list names."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from dxdask.errors import DxdaskError, plain
from dxdask.models import Experiment
from dxdask.storage.formats import RunSource
from dxdask.storage.formats.file_bytes import COMPRESSED_SUFFIXES
from dxdask.storage.importers.dials.files import ImageSet
from dxdask.storage.importers.dials.jobs import DialsJob

log = logging.getLogger("dxdask")


def source_of_images(job: DialsJob, experiment: Experiment) -> RunSource | None:
    """Return a run with the frames of its image files and the models given.

    None where files are missing, cannot be read, or have frames of another number or size.
    """
    # the reader of DIALS files is itself called by these
    from dxdask.storage.importers.parameters import (
        GeometryOverrides,
        ImportParameters,
        ScanOverrides,
    )
    from dxdask.storage.importers.read import read_runs

    scan = experiment.scan
    imageset = job.models.imagesets[experiment.run]
    files = [] if scan is None else _files(imageset, job.path.parent, scan.image_range)
    if scan is None or not files or not all(f.is_file() for f in files):
        return None
    parameters = ImportParameters()
    if len(files) == 1 and imageset.indices:
        first = imageset.indices[0]
        images = (first + 1, first + scan.n_images)
        overrides = GeometryOverrides(scan=ScanOverrides(image_range=images))
        parameters = ImportParameters(geometry=overrides)
    try:
        runs = read_runs(files, parameters)
        if len(runs) != 1 or runs[0].shape[0] != scan.n_images:
            raise DxdaskError(
                f"they hold runs of {', '.join(str(r.shape[0]) for r in runs)} images"
            )
        experiment.detector.require_room(runs[0].shape, "they hold frames of")
    except (DxdaskError, OSError) as error:
        log.warning("the image files of %s are not used: %s", experiment.run, plain(error))
        return None
    columns = dict(runs[0].columns)
    if "angle" in columns:
        columns["angle"] = np.rad2deg(scan.borders_rad[:-1])
    return replace(runs[0], name=experiment.run, experiment=experiment, columns=columns)


def _files(imageset: ImageSet, folder: Path, images: tuple[int, int]) -> list[Path]:
    """Return the image files; relative names are of the folder of the list, or of this one."""
    template = imageset.template
    if not template:
        return []
    found = re.findall(r"#+", Path(template).name)
    names = [template]
    if found:
        head, _, tail = template.rpartition(found[-1])
        names = [f"{head}{n:0{len(found[-1])}d}{tail}" for n in range(images[0], images[1] + 1)]
    paths = [_present(folder / name) for name in names]
    here = [_present(Path(name).absolute()) for name in names]
    return paths if paths[0].exists() or not here[0].exists() else here


def _present(path: Path) -> Path:
    """Return a file, or the compressed one in its place."""
    packed = (path.with_name(path.name + suffix) for suffix in COMPRESSED_SUFFIXES)
    return path if path.exists() else next((p for p in packed if p.exists()), path)
