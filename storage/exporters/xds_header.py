"""Header of XDS_ASCII.HKL: data set, beam, spindle, detector and crystal by XDS's keys.

Keys and conventions are those of the XDS manual (Kabsch 2010, Acta Cryst. D66, 125,
"XDS_ASCII.HKL"): a laboratory frame with x and y along the axes of the detector, pixels counted
from 1 at the centre of the first, axes of the cell at a spindle angle of zero.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dxdask.arrays import Floats
from dxdask.models import Experiment, GaussianProfile, Goniometer, Panel, Scan
from dxdask.models.vectors import unit

FIRST_CENTRE = 0.5
"""What is added to pixels, whose first has its centre at 0.5, to have it at 1."""


def xds_header(experiment: Experiment, cell: Iterable[float], number: int) -> list[str]:
    """Return the lines that describe one run.

    What is not known has no line: the detector without panels, the widths without a profile. Of
    several panels the plane is that of the first, and the pixels are those of the stored frame.

    Parameters
    ----------
    experiment : with a crystal.
    cell : Angstrom and degrees, the one that the space group allows.
    number : of the space group.
    """
    frame = _laboratory(experiment)
    lines = [
        f"!SPACE_GROUP_NUMBER= {number}",
        "!UNIT_CELL_CONSTANTS= " + " ".join(f"{value:.4f}" for value in cell),
    ]
    return [
        *lines,
        *_scan(experiment),
        *_beam(experiment, frame),
        *_spindle(experiment, frame),
        *_detector(experiment, frame),
        *_crystal(experiment, frame),
        *_widths(experiment.profile),
        # sigma^2 = a (sigma^2 + b I^2) is applied already
        "!VARIANCE_MODEL= 1.000E+00 0.000E+00",
    ]


def _laboratory(experiment: Experiment) -> Floats:
    """Return the rotation (3, 3) to the frame with x along fast and y along slow.

    Without a detector x is along the spindle and z along the beam.
    """
    if len(experiment.detector):
        return experiment.detector[0].axes
    s0, x = unit(experiment.beam.s0), _goniometer(experiment).rotation_axis
    y = unit(np.cross(s0, x))
    return np.stack([np.cross(y, s0), y, s0])


def _goniometer(experiment: Experiment) -> Goniometer:
    return experiment.goniometer or Goniometer()


def _scan(experiment: Experiment) -> list[str]:
    scan = experiment.scan or Scan(image_range=(1, 1))
    first, last = scan.image_range
    return [
        f"!DATA_RANGE= {first} {last}",
        f"!OSCILLATION_RANGE= {scan.oscillation[1]:.6f}",
        f"!STARTING_ANGLE= {scan.oscillation[0]:.6f}",
        f"!STARTING_FRAME= {first}",
    ]


def _beam(experiment: Experiment, frame: Floats) -> list[str]:
    beam = experiment.beam
    return [
        f"!X-RAY_WAVELENGTH= {beam.wavelength:.6f}",
        f"!INCIDENT_BEAM_DIRECTION= {_vector(frame @ beam.s0)}",
        f"!FRACTION_OF_POLARIZATION= {beam.polarization_fraction:.3f}",
        f"!POLARIZATION_PLANE_NORMAL= {_vector(frame @ np.asarray(beam.polarization_normal))}",
    ]


def _spindle(experiment: Experiment, frame: Floats) -> list[str]:
    return [f"!ROTATION_AXIS= {_vector(frame @ _goniometer(experiment).rotation_axis)}"]


def _detector(experiment: Experiment, frame: Floats) -> list[str]:
    if not len(experiment.detector):
        return []
    panel = experiment.detector[0]
    n_slow, n_fast = experiment.detector.frame_shape
    x, y = _foot(panel, frame)
    return [
        f"!NX= {n_fast} NY= {n_slow} QX= {panel.pixel_size[0]:.6f} QY= {panel.pixel_size[1]:.6f}",
        f"!ORGX= {x:.3f} ORGY= {y:.3f}",
        f"!DETECTOR_DISTANCE= {(frame @ np.asarray(panel.origin))[2]:.4f}",
        "!DIRECTION_OF_DETECTOR_X-AXIS= 1.000000 0.000000 0.000000",
        "!DIRECTION_OF_DETECTOR_Y-AXIS= 0.000000 1.000000 0.000000",
    ]


def _foot(panel: Panel, frame: Floats) -> Floats:
    """Return the pixel (2,) nearest to the crystal, in the stored frame, counted from 1."""
    from_corner = -(frame @ np.asarray(panel.origin))[:2] / np.asarray(panel.pixel_size)
    return np.asarray(from_corner + np.asarray(panel.offset) + FIRST_CENTRE)


def _crystal(experiment: Experiment, frame: Floats) -> list[str]:
    if experiment.crystal is None:
        return []
    goniometer = _goniometer(experiment)
    a = frame @ goniometer.setting_rotation @ goniometer.fixed_rotation @ experiment.crystal.a
    return [
        f"!UNIT_CELL_{name}-AXIS= " + " ".join(f"{value:.4f}" for value in axis)
        for name, axis in zip("ABC", np.linalg.inv(a), strict=True)
    ]


def _widths(profile: GaussianProfile | None) -> list[str]:
    if profile is None:
        return []
    divergence, spread = np.rad2deg([profile.sigma_b, profile.sigma_m])
    return [f"!BEAM_DIVERGENCE_E.S.D.= {divergence:.4f}", f"!REFLECTING_RANGE_E.S.D.= {spread:.4f}"]


def _vector(values: Floats) -> str:
    return " ".join(f"{value:.6f}" for value in values)
