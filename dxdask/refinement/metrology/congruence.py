"""How alike two geometries are, but for what spots of stills do not tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dxdask.arrays import Floats
from dxdask.models import Detector
from dxdask.refinement.metrology.hierarchy import across
from dxdask.tables import Table


@dataclass(frozen=True, slots=True)
class Congruence:
    """How far the panels of two detectors lie apart.

    Attributes
    ----------
    turn, scale : of the second about the beam (degree) and in the plane across it; taken away.
    centres, worst : of what remains of the centres across the beam, mm: root mean square of a
    coordinate, and the farthest. rotations : root mean square about the beam, degree.
    distances : of either along the beam, mm, the mean of its panels.
    """

    turn: float
    scale: float
    centres: float
    worst: float
    rotations: float
    distances: tuple[float, float]


def congruence(before: Detector, after: Detector, beam: Floats) -> Congruence:
    """Return how alike two detectors are, of the same panels in the same order.

    Crystals follow a turn about the beam, and the scale in the plane goes with the distance and
    the cell: one of each, the best by least squares about the beam, is taken away.

    beam : (3,) unit vector along the beam.
    """
    right = across(before[0].axes[0], beam)
    plane = np.array([right, np.cross(beam, right)])
    lab = [np.array([p.centre for p in d.panels]) for d in (before, after)]
    # as complex numbers a turn with a scale is one factor
    one, other = (points @ plane.T @ np.array([1.0, 1.0j]) for points in lab)
    factor = complex(np.vdot(one, other) / np.vdot(one, one)) if np.any(np.abs(one) > 0) else 1.0
    rest = other - factor * one
    fast = [
        np.array([p.fast_axis for p in d.panels]) @ plane.T @ np.array([1.0, 1.0j])
        for d in (before, after)
    ]
    turned = np.degrees(np.angle(fast[1] / (fast[0] * factor)))
    return Congruence(
        turn=float(np.degrees(np.angle(factor))),
        scale=float(abs(factor)),
        centres=float(np.sqrt((np.abs(rest) ** 2).mean() / 2)),
        worst=float(np.abs(rest).max()),
        rotations=float(np.sqrt((turned**2).mean())),
        distances=(float((lab[0] @ beam).mean()), float((lab[1] @ beam).mean())),
    )


def congruence_table(before: Detector, after: Detector, beam: Floats) -> Table:
    """Return the table `congruence`, one row; see `congruence`."""
    found = congruence(before, after, beam)
    row = {
        "turn_degree": found.turn,
        "scale": found.scale,
        "centres_rms_um": 1e3 * found.centres,
        "centres_worst_um": 1e3 * found.worst,
        "rotations_rms_degree": found.rotations,
        "distance_before_mm": found.distances[0],
        "distance_after_mm": found.distances[1],
    }
    headings = {
        "turn_degree": ("turn\n(degree)", ".4f"),
        "scale": ("scale", ".6f"),
        "centres_rms_um": ("centres\nrms (um)", ".2f"),
        "centres_worst_um": ("worst\n(um)", ".2f"),
        "rotations_rms_degree": ("rotations\nrms (degree)", ".4f"),
        "distance_before_mm": ("distance\nfrom (mm)", ".3f"),
        "distance_after_mm": ("distance\nto (mm)", ".3f"),
    }
    title = "Panels apart, but for one turn about the beam and one scale across it"
    return Table(name="congruence", title=title, rows=[row], headings=headings)
