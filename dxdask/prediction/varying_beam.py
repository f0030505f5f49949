"""Beams that vary along the scan, as crystals that do under a static beam.

With Q the rotation of s0 to the beam s0' at an angle, |s0' + R S F A h| = |s0'| is the same as
|s0 + Q^T R S F A h| = |s0|: the sphere of the static beam is crossed by a crystal
S F A' = R^T Q^T R S F A, and the ray is that of this crystal, rotated by Q.
"""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats
from dxdask.geometry.required import require_rotation
from dxdask.models import Experiment
from dxdask.models.rotations import rotation_matrices
from dxdask.models.vectors import unit


def with_varying_beam(points: Floats, experiment: Experiment) -> tuple[Floats, Floats]:
    """Return the crystal that varies instead of the beam, and the rotations of rays.

    points : (n_images + 1, 3, 3), or (1, 3, 3) of a static crystal, S F A. experiment : whose beam
    has scan points.

    Returns
    -------
    tuple
        S F A' (n_images + 1, 3, 3), and Q (n_images + 1, 3, 3), from the rays of the static beam to
        those of the beam at the start of each image and the end of the last.
    """
    goniometer, scan = require_rotation(experiment)
    beam = experiment.beam
    s0 = beam.s0_at(np.arange(scan.n_images + 1, dtype=np.float64))
    turns = rotations_between(unit(beam.s0), s0 / np.linalg.norm(s0, axis=1, keepdims=True))
    rotation = rotation_matrices(scan.borders_rad[:, None] * unit(goniometer.rotation_axis))
    back = rotation.transpose(0, 2, 1)
    return back @ turns.transpose(0, 2, 1) @ rotation @ points, turns


def rotations_between(one: Floats, others: Floats) -> Floats:
    """Return the least rotations (n, 3, 3) of a unit vector (3,) to others (n, 3)."""
    across = np.cross(one, others)
    sine = np.linalg.norm(across, axis=1)
    angle = np.arctan2(sine, others @ one)
    # of the same direction the rotation is none, whatever its axis
    scale = np.divide(angle, sine, out=np.ones_like(sine), where=sine > 0.0)
    return rotation_matrices(across * scale[:, None])
