"""Parts of a detector, and the moves of panels with the parts that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dxdask.arrays import Floats
from dxdask.models import Detector, Panel
from dxdask.models.detector import Group
from dxdask.models.rotations import rotation_matrices
from dxdask.models.vectors import Vector, vector


@dataclass(frozen=True, slots=True)
class DetectorPart:
    """A part of a detector, and the frame in which it moves.

    Attributes
    ----------
    name : of the part. level : 0 is the whole. panels : in it.
    reference : the panel whose fast axis, slow axis and normal are those of the part.
    pivot : point about which it is rotated, from the centre of that panel along its axes, mm.
    """

    name: str
    level: int
    panels: tuple[int, ...]
    reference: int
    pivot: Vector

    @classmethod
    def of(cls, detector: Detector, name: str, level: int, panels: tuple[int, ...]) -> DetectorPart:
        """Return the part with the axes of its first panel, about the mean of the centres."""
        middle = np.mean([detector[i].centre for i in panels], axis=0)
        return cls(name, level, panels, panels[0], _local(detector[panels[0]], middle))

    def with_frame(self, detector: Detector, reference: int, pivot: Floats) -> DetectorPart:
        """Return the part with the axes of another panel, and another pivot (3,), mm."""
        return replace(self, reference=reference, pivot=_local(detector[reference], pivot))

    def frame(self, detector: Detector) -> tuple[Floats, Floats]:
        """Return its axes (3, 3), rows, and its pivot (3,), mm, in the laboratory."""
        panel = detector[self.reference]
        return panel.axes, panel.centre + np.asarray(self.pivot) @ panel.axes


def _local(panel: Panel, point: Floats) -> Vector:
    return vector(panel.axes @ (point - panel.centre))


def parts_of(detector: Detector, hierarchy_level: int | None) -> tuple[DetectorPart, ...]:
    """Return the whole and the parts down to a level; None: down to the panels."""
    out = [DetectorPart.of(detector, "detector", 0, tuple(range(len(detector))))]
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
        name = short_name(part.name) or f"group {i}"
        out.append(DetectorPart.of(detector, name, level, part.all_panels()))
        _below(part, level + 1, last, detector, out)
    if len(group.panels) > 1 or group.groups:
        out += [
            DetectorPart.of(detector, short_name(detector[i].name) or f"panel {i}", level, (i,))
            for i in group.panels
        ]


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
    """Return the moves (panels, 6, 6) of each panel along its own axes by the six of a part."""
    own, pivot = part.frame(detector)
    out = np.zeros((len(detector), 6, 6))
    for i in part.panels:
        local, arm = detector[i].axes, detector[i].centre - pivot
        out[i, :3, :3] = local @ own.T
        out[i, :3, 3:] = local @ np.cross(own, arm).T
        out[i, 3:, 3:] = local @ own.T
    return out


def moved(detector: Detector, moves: Sequence[tuple[DetectorPart, Floats]]) -> Detector:
    """Return the detector with parts moved by their six moves (6,), mm and rad, as rigid bodies.

    A part that contains others is to come before them: they are moved with it.
    """
    before, panels = detector.panels, list(detector.panels)
    for part, move in moves:
        axes, pivot = part.frame(replace(detector, panels=tuple(panels)))
        rotation, shift = rotation_matrices(move[None, 3:] @ axes)[0], move[:3] @ axes
        for i in part.panels:
            panels[i] = panels[i].moved(rotation, shift, about=pivot)
    after = tuple(panels)
    return replace(detector, panels=after, root=_followed(detector.root, before, after))


def _followed(group: Group, before: Sequence[Panel], after: Sequence[Panel]) -> Group:
    """Return a group whose frame follows its panels as one rigid body."""
    which = group.all_panels()
    if not which:
        return group
    start = np.concatenate([_corners(before[i]) for i in which])
    end = np.concatenate([_corners(after[i]) for i in which])
    middle, arrived = start.mean(axis=0), end.mean(axis=0)
    u, _, v = np.linalg.svd((start - middle).T @ (end - arrived))
    rotation = v.T @ np.diag([1.0, 1.0, np.sign(np.linalg.det(v.T @ u.T))]) @ u.T
    return replace(
        group,
        origin=vector(rotation @ (np.asarray(group.origin) - middle) + arrived),
        fast_axis=vector(rotation @ group.fast_axis),
        slow_axis=vector(rotation @ group.slow_axis),
        groups=tuple(_followed(g, before, after) for g in group.groups),
    )


def _corners(panel: Panel) -> Floats:
    width, height = np.asarray(panel.image_size) * panel.pixel_size
    return panel.lab_coordinates([(0, 0), (width, 0), (0, height), (width, height)])
