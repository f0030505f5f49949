"""Free moves of a detector and its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dxdask.models import Detector
from dxdask.models.vectors import unit
from dxdask.refinement.models.detector_parts import DetectorPart, part_moves, parts_of
from dxdask.refinement.models.layout import FreeParameters
from dxdask.refinement.parameters import Freedom

MOVES: Mapping[str, tuple[int, ...]] = {
    "shift": (0, 1), "distance": (2,), "tilt": (3, 4), "rotation": (5,)
}  # fmt: skip
"""Indices among the six moves of a part: shifts along fast, slow, normal; rotations about them."""


def restrained(
    model: int,
    detector: Detector,
    parts: Sequence[DetectorPart],
    whole: Sequence[Freedom],
    below: Sequence[Freedom],
    sigmas: Mapping[str, float],
) -> list[FreeParameters]:
    """Return the free moves of the parts, each restrained to its expected size.

    whole, below : moves of the whole, and of the parts below it. sigmas : expected size, mm or
    rad, of "shift", "distance" (of the whole), "rotation" and "tilt".
    """
    out = []
    for part in parts:
        wanted = whole if part.level == 0 else below
        pairs = sorted(
            (i, sigmas["shift" if name == "distance" and part.level else name])
            for name in set(wanted)
            for i in MOVES[name]
        )
        out.append(
            FreeParameters(
                kind="detector",
                model=model,
                which=tuple(i for i, _ in pairs),
                part=part,
                moves=part_moves(detector, part),
                sigma=tuple(float(s) for _, s in pairs),
            )
        )
    return out


def by_gauge(
    model: int,
    detector: Detector,
    whole: Sequence[int],
    below: Sequence[Freedom],
    hierarchy_level: int | None,
) -> list[FreeParameters]:
    """Return the free moves of the whole and of its parts, each part against the first beside it.

    Moves that the whole can make are fixed for the first part of each group: else those of the
    whole and of all parts could not be distinguished.

    whole : indices of its free moves. below : free moves of parts.
    hierarchy_level : of the smallest parts; None: panels.
    """
    parts = parts_of(detector, hierarchy_level)
    first = _with_central_frame(parts[0], detector)
    moves = part_moves(detector, first)
    out = [FreeParameters("detector", model, tuple(sorted(whole)), first, moves)]
    free = sorted(i for name in set(below) for i in MOVES[name])
    for part in parts[1:]:
        is_first = _is_first(part, parts)
        which = tuple(i for i in free if not (is_first and i in whole))
        out.append(FreeParameters("detector", model, which, part, part_moves(detector, part)))
    return out


def _is_first(part: DetectorPart, parts: Sequence[DetectorPart]) -> bool:
    """Return true for the first of the parts of one level in the same part above."""
    above = [p for p in parts if p.level == part.level - 1 and set(part.panels) <= set(p.panels)]
    if not above:
        return False
    beside = [p for p in parts if p.level == part.level and set(p.panels) <= set(above[0].panels)]
    return beside[0] is part


def _with_central_frame(part: DetectorPart, detector: Detector) -> DetectorPart:
    """Return the whole with the axes of its most central panel, about the point of its plane that
    is nearest to the sample, as in DIALS.
    """
    centres = np.array([p.centre for p in detector.panels])
    away = np.linalg.norm(centres - centres.mean(axis=0), axis=1)
    reference = int(np.argmin(away))
    normal = unit(detector[reference].normal)
    pivot = normal * (normal @ np.asarray(detector[reference].origin))
    return part.with_frame(detector, reference, pivot)
