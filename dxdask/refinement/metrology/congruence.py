"""Difference of two geometries, apart from what spots of stills do not determine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dxdask.arrays import Floats
from dxdask.models import Detector
from dxdask.refinement.models.detector_parts import across
from dxdask.tables import Table


@dataclass(frozen=True, slots=True)
class Congruence:
    """Differences of the panels of two detectors.

    Attributes
    ----------
    rotation, scale : of the second about the beam (degree) and in the plane across it; removed
    from what follows. centres, worst : differences of the centres across the beam, mm: root mean
    square of a coordinate, and the largest. rotations : root mean square about the beam, degree.
    distances : mean of the panels of each along the beam, mm.
    """

    rotation: float
    scale: float
    centres: float
    worst: float
    rotations: float
    distances: tuple[float, float]


def congruence(before: Detector, after: Detector, beam: Floats) -> Congruence:
    """Return the differences of two detectors with the same panels in the same order.

    A rotation about the beam cannot be distinguished from one of all crystals, nor the scale in the
    plane from the distance and the cell: one of each, by least squares about the beam, is removed.

    beam : (3,) unit vector along the beam.
    """
    right = across(before[0].axes[0], beam)
    plane = np.array([right, np.cross(beam, right)])
    lab = [np.array([p.centre for p in d.panels]) for d in (before, after)]
    # in complex numbers a rotation with a scale is one factor
    one, other = (points @ plane.T @ np.array([1.0, 1.0j]) for points in lab)
    factor = complex(np.vdot(one, other) / np.vdot(one, one)) if np.any(np.abs(one) > 0) else 1.0
    rest = other - factor * one
    fast = [
        np.array([p.fast_axis for p in d.panels]) @ plane.T @ np.array([1.0, 1.0j])
        for d in (before, after)
    ]
    rotated = np.degrees(np.angle(fast[1] / (fast[0] * factor)))
    return Congruence(
        rotation=float(np.degrees(np.angle(factor))),
        scale=float(abs(factor)),
        centres=float(np.sqrt((np.abs(rest) ** 2).mean() / 2)),
        worst=float(np.abs(rest).max()),
        rotations=float(np.sqrt((rotated**2).mean())),
        distances=(float((lab[0] @ beam).mean()), float((lab[1] @ beam).mean())),
    )


def congruence_table(before: Detector, after: Detector, beam: Floats) -> Table:
    """Return the table `congruence`, one row; see `congruence`."""
    found = congruence(before, after, beam)
    row = {
        "rotation_degree": found.rotation,
        "scale": found.scale,
        "centres_rms_um": 1e3 * found.centres,
        "centres_worst_um": 1e3 * found.worst,
        "rotations_rms_degree": found.rotations,
        "distance_before_mm": found.distances[0],
        "distance_after_mm": found.distances[1],
    }
    headings = {
        "rotation_degree": ("rotation\n(degree)", ".4f"),
        "scale": ("scale", ".6f"),
        "centres_rms_um": ("centres\nrms (um)", ".2f"),
        "centres_worst_um": ("worst\n(um)", ".2f"),
        "rotations_rms_degree": ("rotations\nrms (degree)", ".4f"),
        "distance_before_mm": ("distance\nfrom (mm)", ".3f"),
        "distance_after_mm": ("distance\nto (mm)", ".3f"),
    }
    title = "Differences of panels, without one rotation about the beam and one scale across it"
    return Table(name="congruence", title=title, rows=[row], headings=headings)
