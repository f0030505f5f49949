"""Models of a file of XDS, in the frame with z to the source and x along the rotation axis.

Coordinates of XDS count the centre of the first pixel as 1, dxdask as 0.5. The axes of the cell are
those of the crystal at a spindle angle of zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import FormatError, InputError
from dxdask.models import Beam, Crystal, Detector, Experiment, Goniometer, Panel, Scan, space_group
from dxdask.models.crystal import b_matrix
from dxdask.models.vectors import matrix, vector
from dxdask.storage.importers.laboratory import laboratory_frame
from dxdask.storage.importers.xds.header import XdsFile

_MOST_IMAGES = 10_000_000


@dataclass(frozen=True, kw_only=True)
class XdsModels:
    """Models of one data set.

    Attributes
    ----------
    experiment : with its crystal. first : number of the first image. shape : of the frames.
    """

    experiment: Experiment
    shape: tuple[int, int, int]

    @property
    def without_crystal(self) -> Experiment:
        """The models before indexing."""
        return replace(self.experiment, crystal=None)


def models_of(file: XdsFile, name: str, z: Floats, of_set: int | None) -> XdsModels:
    """Return the models of the file, or of one of its data sets.

    z : images of its reflections, for the range of the scan.

    Raises
    ------
    FormatError
        The header lacks cell, space group or wavelength, or a value is impossible.
    """
    wavelength = file.numbers("X-RAY_WAVELENGTH", 1, of_set)
    if wavelength is None or not wavelength[0] > 0:
        raise FormatError(f"{file.path} has no X-RAY_WAVELENGTH")
    axis = file.numbers("ROTATION_AXIS", 3)
    beam = file.numbers("INCIDENT_BEAM_DIRECTION", 3)
    axis = np.array([1.0, 0.0, 0.0]) if axis is None else axis
    beam = np.array([0.0, 0.0, 1.0]) if beam is None else beam
    if not np.linalg.norm(np.cross(axis, beam)) > 1e-6:
        raise FormatError(f"{file.path}: ROTATION_AXIS is along INCIDENT_BEAM_DIRECTION")
    frame = laboratory_frame(-beam, axis)
    detector = _detector(file, frame)
    scan = _scan(file, z)
    experiment = Experiment(
        identifier=name,
        run=name,
        beam=Beam(direction=vector(-frame @ beam / np.linalg.norm(beam)),
                  wavelength=float(wavelength[0])),
        detector=detector,
        goniometer=Goniometer(axes=(vector(frame @ axis / np.linalg.norm(axis)),)),
        scan=scan,
        crystal=_crystal(file, frame),
    )  # fmt: skip
    size = detector.frame_shape if len(detector) else (0, 0)
    return XdsModels(experiment=experiment, shape=(scan.n_images, *size))


def _scan(file: XdsFile, z: Floats) -> Scan:
    start = file.numbers("STARTING_FRAME", 1)
    angle = file.numbers("STARTING_ANGLE", 1)
    width = file.numbers("OSCILLATION_RANGE", 1)
    origin = 1 if start is None else int(start[0])
    low = int(np.floor(z.min())) + 1 if len(z) else origin
    high = int(np.ceil(z.max())) if len(z) else origin
    given = file.numbers("DATA_RANGE", 2)
    first, last = (low, high) if given is None else (int(given[0]), int(given[1]))
    first, last = min(first, low), max(last, high, first)
    if last - first >= _MOST_IMAGES or abs(first) > _MOST_IMAGES:
        raise FormatError(f"{file.path}: images {first} to {last} of its reflections cannot be")
    turn = 1.0 if width is None else float(width[0])
    if not turn:
        raise FormatError(f"{file.path}: OSCILLATION_RANGE= 0 is not of a rotation")
    begin = (0.0 if angle is None else float(angle[0])) + (first - origin) * turn
    return Scan(image_range=(first, last), oscillation=(begin, turn))


def _detector(file: XdsFile, frame: Floats) -> Detector:
    """Return the detector, without panels where the header does not describe it."""
    names = ("NX", "NY", "QX", "QY", "ORGX", "ORGY", "DETECTOR_DISTANCE")
    found = [file.numbers(name, 1) for name in names]
    if any(value is None for value in found):
        return Detector(panels=())
    nx, ny, qx, qy, x0, y0, distance = (float(v[0]) for v in found if v is not None)
    if not (0 < nx < 1 << 20 and 0 < ny < 1 << 20 and qx > 0 and qy > 0):
        raise FormatError(f"{file.path}: a detector of {nx:g} x {ny:g} pixels cannot be")
    x = file.numbers("DIRECTION_OF_DETECTOR_X-AXIS", 3)
    y = file.numbers("DIRECTION_OF_DETECTOR_Y-AXIS", 3)
    x = np.array([1.0, 0.0, 0.0]) if x is None else x
    y = np.array([0.0, 1.0, 0.0]) if y is None else y
    normal = np.cross(x, y)
    if not np.linalg.norm(normal) > 0.5:
        raise FormatError(f"{file.path}: the axes of the detector are not two directions")
    origin = distance * normal - (x0 - 0.5) * qx * x - (y0 - 0.5) * qy * y
    panel = Panel(
        name=(file.text("DETECTOR") or "detector").strip() or "detector",
        origin=vector(frame @ origin),
        fast_axis=vector(frame @ x),
        slow_axis=vector(frame @ y),
        pixel_size=(qx, qy),
        image_size=(int(nx), int(ny)),
    )
    return Detector(panels=(panel,))


def _crystal(file: XdsFile, frame: Floats) -> Crystal:
    cell = file.numbers("UNIT_CELL_CONSTANTS", 6)
    number = file.numbers("SPACE_GROUP_NUMBER", 1)
    if cell is None or number is None:
        raise FormatError(f"{file.path} has no UNIT_CELL_CONSTANTS or SPACE_GROUP_NUMBER")
    try:
        group = space_group(int(number[0]))
    except InputError as error:
        raise FormatError(f"{file.path}: {error}") from error
    if not (cell > 0).all() or not (cell[3:] < 180).all() or not gemmi.UnitCell(*cell).volume > 1:
        raise FormatError(f"{file.path}: {cell.tolist()} is no cell")
    axes = [file.numbers(f"UNIT_CELL_{name}-AXIS", 3) for name in "ABC"]
    rows = None if any(a is None for a in axes) else np.array(axes, dtype=np.float64)
    a_matrix = frame @ b_matrix(tuple(cell.tolist()))
    if rows is not None and abs(np.linalg.det(rows)) > 1:
        a_matrix = frame @ np.linalg.inv(rows)
    return Crystal(a_matrix=matrix(a_matrix), space_group=str(group.xhm()))
