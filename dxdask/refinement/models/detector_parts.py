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
        return self.frame_of(*_frames([detector[self.reference]]))

    def frame_of(self, frames: Floats, half: Floats) -> tuple[Floats, Floats]:
        """Return axes and pivot for its reference panel: frames (1, 3, 3) and half (1, 2)."""
        axes = _axes(frames)[0]
        return axes, _centres(frames, half)[0] + np.asarray(self.pivot) @ axes


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
    which = list(part.panels)
    frames, half = _frames([detector[i] for i in which])
    local, centres = _axes(frames), _centres(frames, half)
    out = np.zeros((len(detector), 6, 6))
    turned = _cross(own, (centres - pivot)[:, None, :])
    out[which, :3, :3] = out[which, 3:, 3:] = local @ own.T
    out[which, :3, 3:] = local @ turned.transpose(0, 2, 1)
    return out


def moved(detector: Detector, moves: Sequence[tuple[DetectorPart, Floats]]) -> Detector:
    """Return the detector with parts moved by their six moves (6,), mm and rad, as rigid bodies.

    A part that contains others is to come before them: they are moved with it.
    """
    frames, half = _frames(detector.panels)
    before = _corners(frames, half)
    for part, move in moves:
        at = slice(part.reference, part.reference + 1)
        axes, pivot = part.frame_of(frames[at], half[at])
        rotation, shift = rotation_matrices(move[None, 3:] @ axes)[0], move[:3] @ axes
        which = list(part.panels)
        frames[which, 2] -= pivot
        frames[which] = frames[which] @ rotation.T
        frames[which, 2] += pivot + shift
    panels = tuple(
        replace(panel, fast_axis=vector(fast), slow_axis=vector(slow), origin=vector(origin))
        for panel, (fast, slow, origin) in zip(detector.panels, frames, strict=True)
    )
    root = _followed(detector.root, before, _corners(frames, half))
    return replace(detector, panels=panels, root=root)


def _frames(panels: Sequence[Panel]) -> tuple[Floats, Floats]:
    """Return fast axes, slow axes and origins as rows (p, 3, 3), mm, and half the sizes (p, 2)."""
    frames = np.array([(p.fast_axis, p.slow_axis, p.origin) for p in panels])
    half = np.array([p.image_size for p in panels]) * [p.pixel_size for p in panels] / 2
    return frames, half


def _axes(frames: Floats) -> Floats:
    """Return fast axes, slow axes and normals as rows (p, 3, 3)."""
    return np.concatenate([frames[:, :2], _cross(frames[:, :1], frames[:, 1:2])], axis=1)


def _cross(a: Floats, b: Floats) -> Floats:
    """Return cross products (..., 3); NumPy's takes ten times as long for a few."""
    x, y = a[..., [1, 2, 0]], b[..., [1, 2, 0]]
    return np.asarray((a * y - x * b)[..., [1, 2, 0]])


def _centres(frames: Floats, half: Floats) -> Floats:
    """Return the centres (p, 3), mm."""
    return np.asarray((half[:, None, :] @ frames[:, :2])[:, 0] + frames[:, 2])


def _corners(frames: Floats, half: Floats) -> Floats:
    """Return the four corners (p, 4, 3), mm."""
    at = 2.0 * half[:, None, :] * [[0, 0], [1, 0], [0, 1], [1, 1]]
    return np.asarray(at @ frames[:, :2] + frames[:, 2:])


def _followed(group: Group, before: Floats, after: Floats) -> Group:
    """Return a group whose frame follows its panels, by corners (p, 4, 3), as one rigid body."""
    which = list(group.all_panels())
    if not which:
        return group
    start, end = before[which].reshape(-1, 3), after[which].reshape(-1, 3)
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
