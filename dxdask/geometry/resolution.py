"""Lattice spacings at positions on a detector."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dxdask.arrays import Floats
from dxdask.models import Detector, Panel


def resolution_at(panel: Panel, xy: ArrayLike, s0: Floats) -> Floats:
    """Return d (n,), Angstrom, at positions xy (n, 2) in pixels; infinite in the direct beam.

    s0: (3,), 1/Angstrom. 1 / d = |s1 - s0|, s1 pointing from the sample to the position.
    """
    s1 = panel.lab_coordinates(panel.pixel_to_mm(xy))
    s1 *= np.linalg.norm(s0) / np.linalg.norm(s1, axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / np.linalg.norm(s1 - s0, axis=-1))


def corner_resolution(detector: Detector, s0: Floats) -> float:
    """Return the smallest d, Angstrom, at the corners of the panels."""
    finest = np.inf
    for panel in detector.panels:
        width, height = panel.image_size
        corners = [(0, 0), (width, 0), (0, height), (width, height)]
        finest = min(finest, float(resolution_at(panel, corners, s0).min()))
    return finest
