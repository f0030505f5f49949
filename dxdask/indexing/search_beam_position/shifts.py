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
    return moved(detector, -detector[0].d_matrix[:, :2] @ np.asarray(shift_mm))


def moved(detector: Detector, by: Floats) -> Detector:
    """Return the detector moved by a vector (3,), mm."""
    panels = tuple(p.moved(np.eye(3), by) for p in detector.panels)
    return replace(detector, panels=panels, root=detector.root.shifted(by))


def hit_panel(detector: Detector, s0: Floats) -> int:
    """Return the index of the panel that the beam meets; 0 where it meets none."""
    for i, panel in enumerate(detector.panels):
        px = beam_centre(detector, s0, i)
        if np.all((px >= 0) & (px < np.asarray(panel.image_size))):
            return i
    return 0


def beam_centre(detector: Detector, s0: Floats, panel: int) -> Floats:
    """Return the beam centre on the plane of a panel, fast and slow (2,), its pixels."""
    plane = detector[panel]
    return np.asarray(plane.ray_intersection(s0) / np.asarray(plane.pixel_size))


def centre_text(detector: Detector, s0: Floats) -> str:
    """Return the beam centre as the import takes it: fast, slow and, of several, the panel."""
    panel = hit_panel(detector, s0)
    fast, slow = beam_centre(detector, s0, panel)
    return f"{fast:.1f},{slow:.1f}" + (f",{panel}" if len(detector) > 1 else "")
