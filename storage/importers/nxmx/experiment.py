"""NXmx files: the runs in them, with their models.

Source: the NXmx application definition (Bernstein et al. 2020, IUCrJ 7, 784).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.models import Beam, Experiment, Scan
from dxdask.storage.formats import RunSource, Supplement
from dxdask.storage.importers.nxmx.beam import beam_of
from dxdask.storage.importers.nxmx.choice import Candidate, chosen_detector, chosen_frames
from dxdask.storage.importers.nxmx.detector import detector_of
from dxdask.storage.importers.nxmx.event_columns import event_columns
from dxdask.storage.importers.nxmx.fields import (
    Findings,
    first_number,
    groups_of,
    is_class,
    numbers,
    present,
    text,
)
from dxdask.storage.importers.nxmx.frames import opened
from dxdask.storage.importers.nxmx.goniometer import Turning, turning_of
from dxdask.storage.importers.nxmx.images import ImagesOf
from dxdask.storage.importers.nxmx.pixel_mask import pixel_mask
from dxdask.storage.importers.nxmx.probe import require_readable
from dxdask.storage.importers.nxmx.rotation import UNEVEN, Sweep, sweeps
from dxdask.storage.importers.nxmx.run_frames import reader_of
from dxdask.storage.importers.selection import images_of

__all__ = ["is_class", "is_nxmx", "read_nxmx"]

Columns = dict[str, NDArray[Any]]


def read_nxmx(path: Path, name: str, given: Supplement | None = None) -> list[RunSource]:
    """Return the runs in an NXmx file (.nxs, .h5, _master.h5): one for each unbroken sweep.

    What the file lacks is in `missing` of the runs, what is doubtful in `problems`.

    Raises
    ------
    FormatError
        Truncated, damaged, not NXmx, or contradictory.
    """
    given = given or Supplement()
    found = Findings()
    with opened(path) as file:
        chosen = chosen_frames(file, given.dataset)
        reader, pieces = reader_of(chosen)
        for line in pieces.problems:
            found.note(line)
        images = ImagesOf(pieces.images, complete=not pieces.problems)
        group = chosen_detector(chosen, reader.frame_shape, given.detector)
        beam = beam_of(chosen.entry, group, images, found)
        detector = detector_of(group, beam.wavelength, reader.frame_shape, reader.dtype, found)
        turning = turning_of(chosen.entry, group, images, found, given.conventions)
        columns = _columns(chosen, group, beam, images, found)
        mask = pixel_mask(group, detector, reader.frame_shape, found)
    runs = _sweeps(turning, images, path, given, found)
    if runs[0].width != 0.0 and 0.0 in (beam.wavelengths or ()):
        found.lacks(
            "wavelength", f"{path} is of a sweep, and not all of its wavelengths are positive"
        )
    if turning is not None:
        columns["angle"] = np.broadcast_to(turning.angles, (len(images),)).copy()
    exposure = columns.get("exposure")
    scan = Scan(
        image_range=(1, len(images)),
        oscillation=(runs[0].start, runs[0].width),
        exposure_times=() if exposure is None else (float(exposure[0]),),
    )
    whole = RunSource(
        name=name,
        experiment=Experiment(
            identifier="",
            run=name,
            beam=beam,
            detector=detector,
            goniometer=None if turning is None else turning.goniometer,
            scan=scan,
        ),
        shape=(len(images), *reader.frame_shape),
        dtype=np.dtype(reader.dtype),
        mask=mask,
        files=tuple(dict.fromkeys((path, *pieces.files))),
        reader=reader,
        columns=columns,
        locate=reader.manifest,
        missing=tuple(found.missing),
        problems=tuple(found.problems),
    )
    return [_part(whole, sweep, images, alone=len(runs) == 1) for sweep in runs]


def is_nxmx(path: Path) -> bool:
    """Return True if an HDF5 file has an NXentry with an NXinstrument, as NXmx requires.

    Raises
    ------
    FormatError
        Not HDF5, truncated, or so damaged that HDF5 crashes on it.
    """
    require_readable(path)
    return has_nxmx_groups(path)


def has_nxmx_groups(path: Path) -> bool:
    """Return the same, without the check whether HDF5 crashes."""
    with opened(path) as file:
        return any(groups_of(entry, "NXinstrument") for entry in groups_of(file, "NXentry"))


def _sweeps(
    turning: Turning | None, images: ImagesOf, path: Path, given: Supplement, found: Findings
) -> list[Sweep]:
    """Return the sweeps in a file, all of its images as one where the user gave the oscillation."""
    n = len(images)
    if turning is None or given.oscillation is not None:
        start = 0.0 if turning is None else float(turning.angles[0])
        return [Sweep(0, n, start, 0.0)]
    angles = turning.angles
    if angles.size == 1 and n > 1:
        widths = turning.widths
        width = 0.0 if widths is None else float(np.median(widths))
        angles = angles[0] + width * images.indices
    try:
        runs = sweeps(angles, turning.widths, images.indices)
    except FormatError as error:
        found.lacks("oscillation", f"{path}: the angles of {turning.field} {error}")
        return [Sweep(0, n, float(angles[0]), 0.0)]
    for run in runs:
        if run.departure > UNEVEN * abs(run.width):
            used = "they do not go on" if run.angles is None else "each image has its own"
            found.note(
                f"{path}: the angles of {turning.field} depart from even steps of {run.width:.6g} "
                f"degrees by up to {run.departure:.3g} (image {int(images.indices[run.worst]) + 1})"
                f"; {used}; geometry.scan.oscillation=START,WIDTH gives even ones"
            )
    return runs


def _part(whole: RunSource, sweep: Sweep, images: ImagesOf, *, alone: bool) -> RunSource:
    """Return the images of a sweep; they keep their numbers in the acquisition."""
    first = int(images.indices[sweep.first]) + 1
    name = whole.name if alone else f"{whole.name}_{first}"
    run = images_of(whole, sweep.first, sweep.stop)
    experiment = run.experiment
    scan = replace(
        experiment.scan or Scan(image_range=(1, 1)),
        image_range=(first, first + sweep.stop - sweep.first - 1),
        oscillation=(sweep.start, sweep.width),
        angles=sweep.angles or (),
    )
    goniometer = experiment.goniometer
    if goniometer is not None:
        angles = list(goniometer.angles)
        angles[goniometer.scan_axis] = sweep.start
        goniometer = replace(goniometer, angles=tuple(angles))
    return replace(
        run,
        name=name,
        experiment=replace(experiment, run=name, scan=scan, goniometer=goniometer),
    )


def _columns(
    chosen: Candidate, detector: h5py.Group, beam: Beam, images: ImagesOf, found: Findings
) -> Columns:
    """Return the values of each image; an exposure that cannot be read is not known."""
    n = len(images)
    columns: Columns = dict(event_columns(chosen.entry, n))
    columns["wavelength"] = np.broadcast_to(beam.wavelengths or beam.wavelength, (n,)).copy()
    columns["transmission"] = np.full(n, beam.transmission)
    period = None
    try:
        exposure = first_number(detector, ("count_time", "frame_time"), "time", "s")
        if exposure is not None:
            columns["exposure"] = np.full(n, exposure)
        item = present(detector, "count_time")
        times = None if item is None else numbers(item, "time", "s")
        if times is not None and times.size == n:
            columns["exposure"] = times
        period = first_number(detector, ("frame_time", "count_time"), "time", "s")
    except FormatError as error:
        found.note(f"{error}: exposure times are not known")
    started = present(chosen.entry, "start_time")
    if started is not None:
        try:
            start = datetime.fromisoformat(text(started).strip())
            start = start if start.tzinfo else start.replace(tzinfo=UTC)
            columns["timestamp"] = start.timestamp() + (period or 0.0) * images.indices
        except (ValueError, OverflowError):
            pass
    return columns
