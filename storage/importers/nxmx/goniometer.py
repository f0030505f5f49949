"""The goniometer of an NXmx file, and the angles of its images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.models import Goniometer
from dxdask.models.vectors import vector
from dxdask.storage.importers.nxmx.axes import TO_IMGCIF
from dxdask.storage.importers.nxmx.conventional_axis import ConventionalAxis
from dxdask.storage.importers.nxmx.fields import (
    Findings,
    groups_of,
    present,
    where,
)
from dxdask.storage.importers.nxmx.images import ImagesOf
from dxdask.storage.importers.nxmx.rotations import STILL, Rotation
from dxdask.storage.importers.nxmx.sample_axes import sample_axes

_OTHER = 0.1  # of the range of the scan: what another axis may drift


@dataclass(frozen=True, kw_only=True)
class Turning:
    """Axes of a sample, and what is known of the one that rotates.

    Attributes
    ----------
    angles : of each image (n,), degree.
    widths : of each image (n,) or of all (1,), degree; None where the file has none.
    field : path of the axis, for messages.
    """

    goniometer: Goniometer
    angles: Floats
    widths: Floats | None
    field: str


def turning_of(
    entry: h5py.Group,
    detector: h5py.Group,
    images: ImagesOf,
    found: Findings,
    conventions: Path | None = None,
) -> Turning | None:
    """Return the axes of the sample and the angles; None where there are no axes.

    Of several samples the one whose axis rotates is taken. conventions : path of the user's.
    """
    conventional = ConventionalAxis(detector, conventions)
    samples = groups_of(entry, "NXsample")
    options, faults = [], []
    for sample in samples:
        try:
            axes = sample_axes(sample, conventional, found)
            one = _turning(axes, sample, images, found)
        except FormatError as error:
            if present(sample, "depends_on") is None:
                found.note(f"{error}; {where(sample)} has no depends_on: it is taken not to rotate")
            else:
                faults.append(str(error))
            continue
        if one is not None:
            options.append(one)
    if not options:
        if faults:
            found.lacks("goniometer", faults[0])
        return None
    rotating = [o for o in options if o.angles.size > 1 and np.ptp(o.angles) > 0.0] or [
        o for o in options if o.widths is not None
    ]
    first = (rotating or options)[0]
    if any(not _same(first, other) for other in rotating[1:]):
        names = ", ".join(o.field for o in rotating)
        found.lacks("goniometer", f"{entry.file.filename}: axes of several samples rotate: {names}")
    return first


def _same(one: Turning, other: Turning) -> bool:
    return one.goniometer.axes == other.goniometer.axes and np.array_equal(one.angles, other.angles)


def _turning(
    rotations: list[Rotation], sample: h5py.Group, images: ImagesOf, found: Findings
) -> Turning | None:
    if not rotations:
        return None
    scan = _scan_axis(rotations, sample, found)
    rotating = rotations[scan]
    values = rotating.axis.values
    named = f"{sample.file.filename}: {rotating.axis.path} has"
    angles = images.of(values, f"{named} {values.size} angles")
    if not np.all(np.isfinite(angles)):
        raise FormatError(f"{named} angles that are not finite")
    if not (rotating.moves or rotating.is_wide):
        angles = np.full(1, float(np.median(angles)))
    widths = rotating.widths
    if widths is not None and widths.size > 1:
        widths = images.of(widths, f"{named} {widths.size} widths")
    still = [float(np.median(r.axis.values)) for r in rotations]
    still[scan] = float(angles[0])
    goniometer = Goniometer(
        axes=tuple(vector(TO_IMGCIF @ r.axis.vector + 0.0) for r in rotations),
        angles=tuple(still),
        names=tuple(r.axis.path.rsplit("/", 1)[1] for r in rotations),
        scan_axis=scan,
    )
    return Turning(goniometer=goniometer, angles=angles, widths=widths, field=rotating.axis.path)


def _scan_axis(rotations: list[Rotation], sample: h5py.Group, found: Findings) -> int:
    """Return the index of the axis that rotates; the outermost where none does.

    Raises
    ------
    FormatError
        Several do.
    """
    moving = [i for i, r in enumerate(rotations) if r.moves]
    if not moving:
        moving = [i for i, r in enumerate(rotations) if r.is_wide]
        if len(moving) > 1:
            raise FormatError(_several(sample, rotations, moving))
        return moving[0] if moving else len(rotations) - 1
    ordered = sorted(moving, key=lambda i: -rotations[i].span)
    main, others = ordered[0], ordered[1:]
    if any(rotations[i].span > _OTHER * rotations[main].span for i in others):
        raise FormatError(_several(sample, rotations, sorted(moving)))
    for i in others:
        if rotations[i].span > STILL:
            found.note(
                f"{sample.file.filename}: {rotations[i].axis.path} drifts by "
                f"{rotations[i].span:.3g} degrees during the scan; its median is used"
            )
    return main


def _several(sample: h5py.Group, rotations: list[Rotation], which: list[int]) -> str:
    names = ", ".join(rotations[i].axis.path for i in which)
    return f"{sample.file.filename}: several axes rotate during the scan: {names}"
