"""Lookups that an experiment list names: a mask, and gains and pedestals of pixels."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.models import Detector, Panel
from dxdask.storage.formats import RunSource
from dxdask.storage.importers.dials.files import ImageSet
from dxdask.storage.importers.dials.jobs import DialsJob
from dxdask.storage.importers.dials.masks import read_dials_mask
from dxdask.storage.importers.dials.pickled import on_frame, panel_arrays

log = logging.getLogger("dxdask")

_MAPS = ("gain", "pedestal")


def with_lookups(job: DialsJob, run: RunSource, imageset: ImageSet) -> RunSource:
    """Return a run with the lookups that an imageset of its experiment list names.

    Its mask is that of the files and the one named. Gains and pedestals that are the same on all
    pixels of a panel are the panel's; for others a line in `problems` says how to use them. What is
    not there, or cannot be read, is reported and left out.
    """
    run = _with_mask(job, run, imageset.mask)
    for name in _MAPS:
        run = _with_map(job, run, name, getattr(imageset, name))
    if imageset.dynamic_shadowing:
        line = (
            f"{job.path.name} masks the shadow of the goniometer on each image, which is not done "
            "here; generate_mask untrusted.polygon masks a part of the detector"
        )
        run = replace(run, problems=(*run.problems, line))
    return run


def read_dials_map(path: Path, detector: Detector, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the values (slow, fast) of a map of gains or pedestals that DIALS pickled.

    nan where no panel is.

    Raises
    ------
    FormatError
        It cannot be read, is no map, or is one of other panels.
    """
    return on_frame(panel_arrays(path, detector, "doubles"), detector, np.full(shape, np.nan))


def _with_mask(job: DialsJob, run: RunSource, named: str | None) -> RunSource:
    if named is None:
        return run
    try:
        path = _file(job, named)
        mask = read_dials_mask(path, run.experiment.detector, run.shape[1:])
    except FormatError as error:
        log.warning(
            "%s: the mask in the experiment list is not used: %s; give lookup.mask if pixels are "
            "to be masked by it", run.name, error,
        )  # fmt: skip
        return run
    return replace(run, mask=run.mask & mask, files=(*run.files, path))


def _with_map(job: DialsJob, run: RunSource, name: str, named: str | None) -> RunSource:
    if named is None:
        return run
    detector = run.experiment.detector
    try:
        path = _file(job, named)
        arrays = panel_arrays(path, detector, "doubles")
    except FormatError as error:
        line = f"the {name} map in {job.path.name} is not used: {error}"
        return replace(run, problems=(*run.problems, line))
    values = [np.unique(a) for a in arrays]
    good = [len(v) == 1 and np.isfinite(v[0]) and (name != "gain" or v[0] > 0) for v in values]
    if not all(good):
        line = (
            f"the {name} map {path} differs from pixel to pixel: give "
            f"spotfinder.lookup.{name}_map={path} to find_spots"
        )
        return replace(run, problems=(*run.problems, line))
    panels = tuple(
        _changed(panel, name, float(v[0])) for panel, v in zip(detector.panels, values, strict=True)
    )
    experiment = replace(run.experiment, detector=replace(detector, panels=panels))
    return replace(run, experiment=experiment, files=(*run.files, path))


def _changed(panel: Panel, name: str, value: float) -> Panel:
    changes: Mapping[str, Any] = {name: value}
    return replace(panel, **changes)


def _file(job: DialsJob, named: str) -> Path:
    """Return the file; a relative name is of this folder, or of that of the list."""
    path = next((p for p in (Path(named), job.path.parent / named) if p.is_file()), None)
    if path is None:
        raise FormatError(f"{named} is not there")
    return path
