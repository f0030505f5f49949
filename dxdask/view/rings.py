"""Circles of equal resolution, as lines on the panels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.geometry.resolution import corner_resolution
from dxdask.masking.parameters import IceRingParameters
from dxdask.masking.resolution import ice_ring_ranges
from dxdask.models import Experiment, Panel
from dxdask.models.vectors import unit

POINTS = 720


def usual_rings(experiment: Experiment, n: int = 5) -> list[float]:
    """Return d (n,), A, of rings at equal distances in 1/d to the corner of the detector."""
    finest = corner_resolution(experiment.detector, experiment.beam.s0)
    return [float(finest * n / k) for k in range(1, n + 1)]


def ice_rings(experiment: Experiment) -> list[float]:
    """Return d, A, of the rings of hexagonal ice on the detector."""
    found: set[float] = set()
    for panel in experiment.detector.panels:
        for low, high in ice_ring_ranges(IceRingParameters(), panel, experiment.beam):
            found.add(round(float((0.5 * (low**-2 + high**-2)) ** -0.5), 4))
    return sorted(found, reverse=True)


def ring_lines(
    experiment: Experiment, spacings: Sequence[float]
) -> dict[str, NDArray[np.float32] | NDArray[np.int32]]:
    """Return the lines of rings: ring_xy (m, 2) px, ring_panel, ring_index (k,), ring_ends (k,).

    spacings : d, A. Line i is on a panel and of a ring, its points end before ring_ends[i].
    """
    s0 = experiment.beam.s0
    along, points, panels, rings, ends = unit(s0), [], [], [], []
    start = unit(np.cross(along, [0.0, 1.0, 0.0] if abs(along[1]) < 0.9 else [1.0, 0.0, 0.0]))
    angle = np.linspace(0.0, 2.0 * np.pi, POINTS + 1)
    around = np.cos(angle)[:, None] * start + np.sin(angle)[:, None] * np.cross(along, start)
    n = 0
    for k, d in enumerate(spacings):
        sine = experiment.beam.wavelength / (2.0 * d)
        if sine >= 1.0:
            continue
        two_theta = 2.0 * np.arcsin(sine)
        rays = np.cos(two_theta) * along + np.sin(two_theta) * around
        for i, panel in enumerate(experiment.detector.panels):
            for line in _on_panel(panel, rays):
                n += len(line)
                points.append(line)
                panels.append(i)
                rings.append(k)
                ends.append(n)
    return {
        "ring_xy": np.concatenate([np.zeros((0, 2)), *points]).astype(np.float32),
        "ring_panel": np.array(panels, np.int32),
        "ring_index": np.array(rings, np.int32),
        "ring_ends": np.array(ends, np.int32),
    }


def _on_panel(panel: Panel, rays: Floats) -> list[Floats]:
    """Return the parts of a closed line (n, 2), px, that are on a panel."""
    mm = panel.ray_intersection(rays)
    inside = np.isfinite(mm).all(axis=1)
    if not inside.any():
        return []
    xy = np.full_like(mm, np.nan)
    xy[inside] = panel.mm_to_pixel(mm[inside])
    with np.errstate(invalid="ignore"):
        inside &= ((xy >= 0) & (xy <= panel.image_size)).all(axis=1)
    where = np.flatnonzero(inside)
    if len(where) < 2:
        return []
    parts = np.split(where, np.flatnonzero(np.diff(where) > 1) + 1)
    return [xy[part] for part in parts if len(part) > 1]
