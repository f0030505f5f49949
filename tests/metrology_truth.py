"""How far a detector is from where it truly is, what no spots tell taken away."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dxdask.models import Detector, Panel
from dxdask.stills.metrology.hierarchy import axes, centre

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Offsets:
    """How far a detector is off: centres (px, rms and worst), rotations (degree, rms), distance.

    One rotation about the beam and one scale in the plane are taken away; distance is that of the
    panels on average, mm.
    """

    centres_px: float
    worst_px: float
    rotations: float
    distance: float


def offsets(found: Detector, true: Detector) -> Offsets:
    """Return how far a detector is off from the true one, the beam along -z."""
    a, b = (np.array([centre(p) for p in d.panels]) for d in (found, true))
    design = np.concatenate([np.c_[b[:, 0], -b[:, 1]], np.c_[b[:, 1], b[:, 0]]])
    seen = np.concatenate([a[:, 0], a[:, 1]])
    similar, *_ = np.linalg.lstsq(design, seen, rcond=None)
    rest = (seen - design @ similar) / true[0].pixel_size[0]
    turns = np.array([_turn(p, q) for p, q in zip(found.panels, true.panels, strict=True)])
    turns -= np.degrees(np.arctan2(similar[1], similar[0]))
    return Offsets(
        centres_px=float(np.sqrt((rest**2).mean())),
        worst_px=float(np.hypot(*rest.reshape(2, -1)).max()),
        rotations=float(np.sqrt((turns**2).mean())),
        distance=float(-a[:, 2].mean()),
    )


def _turn(found: Panel, true: Panel) -> float:
    """Return by how much a panel is turned about z against another, degree."""
    (fx, fy), (tx, ty) = (axes(p)[0][:2] for p in (found, true))
    return float(np.degrees(np.arctan2(tx * fy - ty * fx, tx * fx + ty * fy)))


def true_detector(nominal: Detector, path: Path) -> Detector:
    """Return the detector with the panels where a JSON file of the truth has them."""
    given = json.loads(path.read_text())["panels"]
    panels = [
        replace(
            p, origin=tuple(g["origin"]), fast_axis=tuple(g["fast"]), slow_axis=tuple(g["slow"])
        )
        for p, g in zip(nominal.panels, given, strict=True)
    ]
    return replace(nominal, panels=tuple(panels))
