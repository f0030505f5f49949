"""Parts of a detector, and the moves of panels with the parts that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dxdask.arrays import Floats
from dxdask.models import Detector
from dxdask.models.detector import Group
from dxdask.models.rotations import rotation_matrices
from dxdask.refinement.metrology.parameters import DetectorFreedom

MOVES = {"shift": (0, 1), "distance": (2,), "tilt": (3, 4), "rotation": (5,)}
"""Indices among the six moves of a part: shifts along fast, slow, normal; rotations about them."""


@dataclass(frozen=True, slots=True)
class DetectorPart:
    """A part: its name, its level (0 is the whole) and the panels in it."""

    name: str
    level: int
    panels: tuple[int, ...]


def parts_of(detector: Detector, hierarchy_level: int | None) -> tuple[DetectorPart, ...]:
    """Return the whole and the parts down to a level; None: down to the panels."""
    out = [DetectorPart("detector", 0, tuple(range(len(detector))))]
    _below(detector.root, 1, hierarchy_level, detector, out)
    return tuple(out)


def _below(
    group: Group, level: int, last: int | None, detector: Detector, out: list[DetectorPart]
) -> None:
    if last is not None and level > last:
        return
    for i, part in enumerate(group.groups):
        if len(group.groups) == 1 and not group.panels:  # the same part under another name
            _below(part, level, last, detector, out)
            return
        out.append(DetectorPart(short_name(part.name) or f"group {i}", level, part.all_panels()))
        _below(part, level + 1, last, detector, out)
    if len(group.panels) > 1 or group.groups:
        out += [DetectorPart(short_name(detector[i].name), level, (i,)) for i in group.panels]


def short_name(name: str) -> str:
    """Return the last part of a name that is a path in an HDF5 file."""
    return name.rsplit("/", 1)[-1]


def smallest(parts: Sequence[DetectorPart]) -> list[DetectorPart]:
    """Return the parts that contain no other."""
    inner = [(p.level, set(p.panels)) for p in parts]
    return [
        p
        for p in parts
        if not any(level > p.level and panels <= set(p.panels) for level, panels in inner)
    ]


def across(axis: Floats, beam: Floats) -> Floats:
    """Return the unit vector (3,) along the component of an axis across the beam."""
    rest = axis - (axis @ beam) * beam
    return np.asarray(rest / np.linalg.norm(rest))


def part_moves(detector: Detector, part: DetectorPart) -> Floats:
    """Return the moves (panels, 6, 6) of each panel along its own axes by the six of a part.

    A part's axes are those of its first panel, its pivot the mean of its panels' centres.
    """
    own = detector[part.panels[0]].axes
    pivot = np.mean([detector[i].centre for i in part.panels], axis=0)
    out = np.zeros((len(detector), 6, 6))
    for i in part.panels:
        local, arm = detector[i].axes, detector[i].centre - pivot
        out[i, :3, :3] = local @ own.T
        out[i, :3, 3:] = local @ np.cross(own, arm).T
        out[i, 3:, 3:] = local @ own.T
    return out


def free_moves(part: DetectorPart, freedom: DetectorFreedom) -> tuple[list[int], list[float]]:
    """Return the indices of the free moves of a part, and their expected sizes, mm and rad."""
    wanted = freedom.whole if part.level == 0 else freedom.parts
    sigma = {
        "shift": freedom.shift_sigma,
        "distance": freedom.distance_sigma if part.level == 0 else freedom.shift_sigma,
        "tilt": np.deg2rad(freedom.rotation_sigma),
        "rotation": np.deg2rad(freedom.rotation_sigma),
    }
    pairs = sorted((i, float(sigma[name])) for name in set(wanted) for i in MOVES[name])
    return [i for i, _ in pairs], [s for _, s in pairs]


def moved(detector: Detector, moves: Floats) -> Detector:
    """Return the detector with each panel moved by its six moves (panels, 6), mm and rad."""
    rotations = rotation_matrices(np.einsum("pi,pij->pj", moves[:, 3:], _all_axes(detector)))
    shifts = np.einsum("pi,pij->pj", moves[:, :3], _all_axes(detector))
    panels = tuple(
        p.moved(rotation, shift, about=p.centre)
        for p, rotation, shift in zip(detector.panels, rotations, shifts, strict=True)
    )
    return replace(detector, panels=panels)


def _all_axes(detector: Detector) -> Floats:
    return np.stack([p.axes for p in detector.panels])
