"""Models with another beam centre: the detector is moved, the beam stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dxdask.arrays import Floats
from dxdask.models import Detector, ExperimentList


def with_beam_shift(experiments: ExperimentList, shift_mm: Floats) -> ExperimentList:
    """Return the experiments with their beam centres moved along fast and slow (2,), mm."""
    moved = tuple(shifted(d, shift_mm) for d in experiments.detectors)
    return replace(experiments, detectors=moved)


def shifted(detector: Detector, shift_mm: Floats) -> Detector:
    """Return the detector with the beam centre moved along fast and slow of its first panel."""
    by = -detector[0].d_matrix[:, :2] @ np.asarray(shift_mm)
    panels = tuple(p.moved(np.eye(3), by) for p in detector.panels)
    return replace(detector, panels=panels)


def beam_centre(detector: Detector, s0: Floats) -> Floats:
    """Return the beam centre on the first panel that it meets, fast and slow (2,), pixels.

    Off all panels it is that on the plane of the first.
    """
    centres = [p.ray_intersection(s0) / np.asarray(p.pixel_size) for p in detector.panels]
    for panel, px in zip(detector.panels, centres, strict=True):
        if np.all((px >= 0) & (px < np.asarray(panel.image_size))):
            return np.asarray(px)
    return np.asarray(centres[0])
