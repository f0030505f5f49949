"""Positions and orientations of panels as an array."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dxdask.models import Detector


def panel_frames(detector: Detector) -> NDArray[np.float64]:
    """Return origin (mm), fast and slow axis of each panel: (panels, 3, 3), as rows."""
    return np.array([[p.origin, p.fast_axis, p.slow_axis] for p in detector.panels])


def with_panel_frames(detector: Detector, frames: NDArray[np.float64]) -> Detector:
    """Return the detector with its panels at `frames` (panels, 3, 3), see `panel_frames`."""
    moved = [
        replace(p, origin=tuple(o), fast_axis=tuple(f), slow_axis=tuple(s))
        for p, (o, f, s) in zip(detector.panels, frames.tolist(), strict=True)
    ]
    return replace(detector, panels=tuple(moved))
