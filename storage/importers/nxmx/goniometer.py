"""The goniometer of an NXmx file, and the angles of its images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.models import Goniometer
from dxdask.models.vectors import vector
from dxdask.storage.importers.nxmx.axes import TO_IMGCIF, Axis, axis_chain, follow
from dxdask.storage.importers.nxmx.conventional_axis import ConventionalAxis
from dxdask.storage.importers.nxmx.fields import (
    Findings,
    attribute,
    groups_of,
    numbers,
    present,
    text,
    where,
)
from dxdask.storage.importers.nxmx.images import ImagesOf

_STILL = 0.02  # degree: the noise of an axis that stands
_DRIFT = 1e-3  # degree: of one that creeps one way
_OTHER = 0.1  # of the range of the scan: what another axis may drift
_AXES = ("omega", "phi", "chi", "kappa", "two_theta")


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


@dataclass(frozen=True, slots=True)
class _Rotation:
    axis: Axis
    widths: Floats | None

    @property
    def span(self) -> float:
        return float(np.ptp(self.axis.values))

    @property
    def moves(self) -> bool:
        """True if the angles change by more than those of an axis at rest."""
        steps = np.diff(self.axis.values)
        if not steps.size or not np.any(steps):
            return False
        one_way = bool(np.all(steps >= 0.0) or np.all(steps <= 0.0))
        return self.span > (_DRIFT if one_way else _STILL)

    @property
    def is_wide(self) -> bool:
        """True if the file states that an image rotates."""
        return self.widths is not None and bool(np.any(np.abs(self.widths) > 1e-9))


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
            axes = _axes(sample, conventional, found)
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


def _axes(sample: h5py.Group, known: ConventionalAxis, found: Findings) -> list[_Rotation]:
    """Return the rotations of a sample, the innermost first."""
    depends_on = present(sample, "depends_on")
    if depends_on is not None and text(depends_on).strip():
        start = follow(sample, text(depends_on))
        return [] if start is None else _rotations(sample, axis_chain(start), found)
    for group in groups_of(sample, "NXtransformations"):
        chains = [c for n in group if (c := _chain_in(group, n))]
        chains = [[a for a in c if a.is_rotation] for c in chains]
        longest = max(chains, key=len, default=[])
        if longest:
            found.note(f"{where(sample)} has no depends_on; its axes are those of {group.name}")
            chosen = _rotations(sample, longest, found)
            if any(r.moves or r.is_wide for r in chosen):
                return [_conventional(r, known, found) for r in chosen]
            taken = {a.path for a in longest}
            others = {a.path: a for c in chains for a in c if a.path not in taken}
            apart = _rotations(sample, list(others.values()), found)
            others_moving = [r for r in apart if r.moves or r.is_wide][:1]
            return [_conventional(r, known, found) for r in others_moving] or chosen
    return _of_old_master(sample, known, found)


def _conventional(rotation: _Rotation, known: ConventionalAxis, found: Findings) -> _Rotation:
    """Return a rotation about the axis of the file, as the conventions of the detector have it."""
    if not (rotation.moves or rotation.is_wide):
        return rotation
    return replace(rotation, axis=known.of_file(rotation.axis, found))


def _chain_in(group: h5py.Group, name: str) -> list[Axis]:
    item = present(group, name)
    if item is None or "vector" not in item.attrs:
        return []
    return axis_chain(item)


def _of_old_master(sample: h5py.Group, known: ConventionalAxis, found: Findings) -> list[_Rotation]:
    """Return the axis of an early EIGER master, whose angles in sample/goniometer have none."""
    group = sample.get("goniometer")
    if not isinstance(group, h5py.Group):
        return []
    out = []
    for name in _AXES:
        item = present(group, name)
        widths = _known_widths(group, name, found)
        if item is None and widths is None:
            continue
        values = numbers(item, "angle", "deg") if item is not None else np.zeros(1)
        if widths is not None and not np.any(np.diff(values)):
            values = values[:1]  # that of each image was not recorded
        axis = Axis(
            path=f"{group.name}/{name}",
            is_rotation=True,
            vector=known.axis,
            offset=np.zeros(3),
            values=values,
        )
        out.append(_Rotation(axis, widths))
    rotating = [r for r in out if r.moves] or [r for r in out if r.is_wide]
    if rotating:
        along = ", ".join(f"{v:g}" for v in TO_IMGCIF @ known.axis + 0.0)
        found.note(
            f"{where(sample)} has no depends_on: {rotating[0].axis.path} is taken as a rotation "
            f"about ({along}); give geometry.goniometer.axes where that is wrong"
        )
    return rotating


def _rotations(sample: h5py.Group, chain: list[Axis], found: Findings) -> list[_Rotation]:
    out = []
    for axis in chain:
        if axis.is_rotation:
            folder, name = axis.path.rsplit("/", 1)
            group = sample.file.get(folder or "/")
            out.append(_Rotation(axis, _known_widths(group, name, found, axis)))
    return out


def _known_widths(
    group: h5py.Group, name: str, found: Findings, axis: Axis | None = None
) -> Floats | None:
    """Return the widths; where they cannot be read, the angles alone have to do."""
    try:
        return _widths(group, name, axis)
    except FormatError as error:
        found.note(f"{error}: the widths of images are those of the angles")
        return None


def _widths(group: h5py.Group, name: str, axis: Axis | None = None) -> Floats | None:
    """Return the rotation during each image (n,), or during all (1,), degree; None if not known."""
    starts = None if axis is None else axis.values
    item = present(group, name)
    default = "deg" if item is None else attribute(item, "units", "deg")
    if starts is None and item is not None:
        starts = numbers(item, "angle", "deg")
    end = present(group, f"{name}_end")
    if end is not None and starts is not None:
        ends = numbers(end, "angle", default)
        if ends.size == starts.size and np.any(np.abs(ends - starts) > 1e-9):
            turned = ends - starts
            return turned - 360.0 * np.round(turned / 360.0) * (np.abs(turned) > 180.0)
    for suffix in ("_increment_set", "_increment", "_range_average"):
        found = present(group, name + suffix)
        if found is not None:
            values = numbers(found, "angle", default)
            if np.all(np.isfinite(values)) and np.any(values != 0.0):
                return values
    return None


def _turning(
    rotations: list[_Rotation], sample: h5py.Group, images: ImagesOf, found: Findings
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


def _scan_axis(rotations: list[_Rotation], sample: h5py.Group, found: Findings) -> int:
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
        if rotations[i].span > _STILL:
            found.note(
                f"{sample.file.filename}: {rotations[i].axis.path} drifts by "
                f"{rotations[i].span:.3g} degrees during the scan; its median is used"
            )
    return main


def _several(sample: h5py.Group, rotations: list[_Rotation], which: list[int]) -> str:
    names = ", ".join(rotations[i].axis.path for i in which)
    return f"{sample.file.filename}: several axes rotate during the scan: {names}"
