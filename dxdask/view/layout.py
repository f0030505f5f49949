"""Panels as they stand in the laboratory, seen from the sample, as positions in a plane."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats
from dxdask.models import Detector
from dxdask.models.vectors import unit


def plane_axes(detector: Detector) -> Floats:
    """Return unit vectors (2, 3) to the right and up in the plane that panels are projected on."""
    normal = unit(np.sum([p.normal for p in detector.panels], axis=0))
    start = np.array([1.0, 0.0, 0.0]) if abs(normal[0]) < 0.9 else np.array([0.0, 0.0, 1.0])
    right = unit(start - (start @ normal) * normal)
    up = np.cross(normal, right)
    return np.stack([right, up if up[1] >= 0 else -up])


def in_laboratory(detector: Detector) -> Floats:
    """Return (panel, 6): a, b, c, d, e, f of each panel, which place its pixels in the plane.

    Pixel position (x, y) of the panel is at a x + c y + e to the right and b x + d y + f down, in
    the smallest pixel of the detector; all positions are 0 or above. Columns are those of a
    transform of a canvas.
    """
    axes = plane_axes(detector) * [[1.0], [-1.0]]
    size = min(min(p.pixel_size) for p in detector.panels)
    rows = []
    for p in detector.panels:
        fast, slow = (np.asarray(v) * s for v, s in zip(p.axes, p.pixel_size, strict=False))
        rows.append(np.concatenate([axes @ v for v in (fast, slow, np.asarray(p.origin))]) / size)
    out = np.array(rows)
    corners = [
        out[i, 4:] + out[i, :2] * u * p.image_size[0] + out[i, 2:4] * v * p.image_size[1]
        for i, p in enumerate(detector.panels)
        for u in (0, 1)
        for v in (0, 1)
    ]
    out[:, 4:] -= np.min(corners, axis=0)
    return out


def in_frame(detector: Detector) -> Floats:
    """Return (panel, 6) as `in_laboratory`, with panels where they are in the stored frame."""
    return np.array([[1.0, 0.0, 0.0, 1.0, *p.offset] for p in detector.panels])
