"""Runs of an unmerged MTZ: consecutive batches of one data set, with their geometry.

The layout of batch headers is that of the CCP4 library ("MTZ batch headers"): word 20 of the
integers is the data set, words 36 and 37 of the reals the rotation, 6 to 14 the orientation U by
columns, 59 to 61 the rotation axis, 83 to 85 the direction of the source, 86 the wavelength, 111
the distance, 113 to 116 the limits of the detector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.models import Beam, Crystal, Goniometer, Scan
from dxdask.models.crystal import b_matrix
from dxdask.models.vectors import matrix, unit, vector
from dxdask.storage.importers.laboratory import laboratory_frame
from dxdask.storage.importers.uneven_angles import uneven_angles

_N_FLOATS = 156
_JITTER = 0.02  # of the width, degree: angles of neighbours that belong to one run
_LEAST_WIDTH = 1e-4  # degree
_MOST_UNEVEN = 50.0  # ratio of the widths of neighbours of one run


@dataclass(frozen=True, kw_only=True)
class BatchRun:
    """A run in an MTZ.

    Attributes
    ----------
    first, last : batch numbers. present : numbers of the batches that have headers.
    scan : image 1 is batch `first`.
    beam, goniometer, crystal : models; x of the laboratory frame along the rotation axis, z to the
        source.
    distance : mm; size : of the detector (fast, slow), pixels; 0 where not known.
    """

    first: int
    last: int
    present: frozenset[int]
    scan: Scan
    beam: Beam
    goniometer: Goniometer
    crystal: Crystal
    distance: float = 0.0
    size: tuple[int, int] = (0, 0)


def runs_of_batches(mtz: gemmi.Mtz, batch: Floats, rotation: Floats | None) -> list[BatchRun]:
    """Return the runs, by batch number; of a file without headers from the reflections' numbers.

    batch, rotation : of the reflections; rotation in degree, None where the file has none.
    """
    headers = sorted((b for b in mtz.batches), key=lambda b: b.number)
    if headers:
        return [_run(mtz, part) for part in _stretches(headers)]
    numbers = np.unique(batch.astype(np.int64))
    parts = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return [_bare_run(mtz, part.tolist(), batch, rotation) for part in parts]


def _stretches(headers: Sequence[gemmi.Mtz.Batch]) -> list[list[gemmi.Mtz.Batch]]:
    """Return the headers split where data set, width or the sequence of angles changes.

    Missing numbers are a gap within a run where the angles go on as the numbers do.
    """
    parts = [[headers[0]]]
    for before, this in pairwise(headers):
        same = (
            this.number > before.number
            and this.ints[20] == before.ints[20]
            and (_goes_on_evenly(before, this) or _goes_on_at_its_end(before, this))
            and abs(this.floats[86] - before.floats[86]) < 1e-5
        )
        if same:
            parts[-1].append(this)
        else:
            parts.append([this])
    return parts


def _goes_on_evenly(before: gemmi.Mtz.Batch, this: gemmi.Mtz.Batch) -> bool:
    width, steps = _width(before), this.number - before.number
    jitter = _JITTER * max(abs(width), _LEAST_WIDTH)
    expected = before.floats[36] + steps * width
    return bool(
        abs(_width(this) - width) <= jitter and abs(this.floats[36] - expected) <= jitter * steps
    )


def _goes_on_at_its_end(before: gemmi.Mtz.Batch, this: gemmi.Mtz.Batch) -> bool:
    """Return True for images that are not evenly spaced, each of which begins where one ended."""
    width = min(abs(_width(before)), abs(_width(this)))
    return bool(
        this.number == before.number + 1
        and width > _LEAST_WIDTH
        and _width(before) * _width(this) > 0.0
        and max(abs(_width(before)), abs(_width(this))) < _MOST_UNEVEN * width
        and abs(this.floats[36] - before.floats[37]) <= _JITTER * width
    )


def _width(batch: gemmi.Mtz.Batch) -> float:
    return float(batch.floats[37] - batch.floats[36])


def _run(mtz: gemmi.Mtz, headers: Sequence[gemmi.Mtz.Batch]) -> BatchRun:
    first, last = headers[0], headers[-1]
    floats = np.array([first.floats[i] for i in range(_N_FLOATS)], dtype=np.float64)
    n_images = last.number - first.number + 1
    width = float(np.median([_width(b) for b in headers]))
    frame, source, axis = _frame(floats)
    dataset = next((d for d in mtz.datasets if d.id == first.ints[20]), None)
    wavelength = float(floats[86])
    if not wavelength > 0 and dataset is not None:
        wavelength = dataset.wavelength
    cell = dataset.cell if dataset is not None and dataset.cell.is_crystal() else mtz.cell
    return BatchRun(
        first=first.number,
        last=last.number,
        present=frozenset(b.number for b in headers),
        scan=Scan(
            image_range=(1, n_images),
            oscillation=(float(floats[36]), width),
            angles=_angles(headers, width) if len(headers) == n_images else (),
        ),
        beam=Beam(
            direction=vector(frame @ source), wavelength=wavelength if wavelength > 0 else 1.0
        ),
        goniometer=Goniometer(axes=(vector(frame @ axis),)),
        crystal=_crystal(mtz, cell, frame, floats[6:15].reshape(3, 3).T),
        distance=float(abs(floats[111])) if np.isfinite(floats[111]) else 0.0,
        size=(_limit(floats[114]), _limit(floats[116])),
    )


def _angles(headers: Sequence[gemmi.Mtz.Batch], width: float) -> tuple[float, ...]:
    starts, ends = (np.array([b.floats[i] for b in headers], np.float64) for i in (36, 37))
    return uneven_angles(starts, width, ends) or ()


def _limit(value: float) -> int:
    return int(value) if np.isfinite(value) and 0 < value < 1 << 20 else 0


def _frame(floats: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the rotation (3, 3) from the file's frame to ours, the source, and the axis."""
    source, axis = floats[83:86], floats[59:62]
    if not (np.isfinite(source).all() and np.linalg.norm(source) > 0):
        source = np.array([-1.0, 0.0, 0.0])
    if not (np.isfinite(axis).all() and np.linalg.norm(np.cross(axis, source)) > 0):
        axis = np.array([0.0, 0.0, 1.0])
    source, axis = unit(source), unit(axis)
    return laboratory_frame(source, axis), source, axis


def _crystal(mtz: gemmi.Mtz, cell: gemmi.UnitCell, frame: Floats, u: Floats) -> Crystal:
    """Return the crystal; U takes a crystal with a* along x and c along z to its orientation."""
    b = np.linalg.qr(b_matrix(tuple(cell.parameters)))[1]
    b = b * np.sign(np.diag(b))[:, None]
    turned = np.isfinite(u).all() and np.allclose(u @ u.T, np.eye(3), atol=1e-3)
    orientation = u if turned and np.linalg.det(u) > 0 else np.eye(3)
    return Crystal(a_matrix=matrix(frame @ orientation @ b), space_group=str(mtz.spacegroup.xhm()))


def _bare_run(
    mtz: gemmi.Mtz, numbers: Sequence[int], batch: Floats, rotation: Floats | None
) -> BatchRun:
    """Return the run of batches without headers; angles by a line through those of reflections."""
    start, width = 0.0, 1.0
    mine = (batch >= numbers[0]) & (batch <= numbers[-1])
    if rotation is not None and len(numbers) > 1:
        width, middle = np.polyfit(batch[mine] - numbers[0], rotation[mine], 1).tolist()
        start = middle - width / 2
    wavelength = next((d.wavelength for d in reversed(mtz.datasets) if d.wavelength > 0), 1.0)
    frame, source, axis = _frame(np.zeros(_N_FLOATS))
    return BatchRun(
        first=numbers[0],
        last=numbers[-1],
        present=frozenset(numbers),
        scan=Scan(image_range=(1, numbers[-1] - numbers[0] + 1), oscillation=(start, width or 1.0)),
        beam=Beam(direction=vector(frame @ source), wavelength=wavelength),
        goniometer=Goniometer(axes=(vector(frame @ axis),)),
        crystal=_crystal(mtz, mtz.cell, frame, np.eye(3)),
    )
