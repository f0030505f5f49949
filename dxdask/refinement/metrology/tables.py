"""Tables of metrology: moves of parts, and differences of the two halves of the stills.

The tables are those of cspad.detector_shifts and cspad.detector_statistics (Brewster et al. 2018,
Acta Cryst. D74, 877): lengths in um, angles in degree, radial and tangential about the beam.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models import Detector
from dxdask.refinement.models.detector_parts import DetectorPart, across
from dxdask.tables import Table

MOVES = {
    "delta_xy_um": ("dXY\n(um)", ".1f"),
    "radial_um": ("radial\n(um)", ".1f"),
    "tangential_um": ("tangential\n(um)", ".1f"),
    "z_um": ("Z\n(um)", ".1f"),
    "rotation_z_degree": ("rotation Z\n(degree)", ".4f"),
    "tilt_degree": ("tilt\n(degree)", ".4f"),
    "tilt_radial_degree": ("tilt\nradial", ".4f"),
    "tilt_tangential_degree": ("tilt\ntangential", ".4f"),
}
HEADINGS = {
    "level": ("Level", ""),
    "part": ("Part", ""),
    "n_spots": ("Spots", ""),
    **MOVES,
}


def moves_between(
    start: Detector, end: Detector, part: DetectorPart, beam: Floats, weights: Floats
) -> dict[str, float]:
    """Return the move of a part from one detector to another, as a row of `MOVES`.

    beam : (3,) unit vector along the beam. weights : (panels,) spots on each. A tilt is the
    rotation of the normal; its radial component is towards or off the beam.
    """
    panels = list(part.panels)
    share = weights[panels] + 1e-9
    before = np.array([start[i].centre for i in panels])
    after = np.array([end[i].centre for i in panels])
    shift = np.average(after - before, axis=0, weights=share)
    middle = np.average(before, axis=0, weights=share)
    outwards = middle - (middle @ beam) * beam
    far = float(np.linalg.norm(outwards))
    # a part on the beam has no radial direction: its fast axis is used
    radial = outwards / far if far > 1.0 else across(start[panels[0]].axes[0], beam)
    tangential = np.cross(beam, radial)
    rotation = np.mean([_small_rotation(start[i].axes, end[i].axes) for i in panels], axis=0)
    about_beam = float(rotation @ beam)
    tilt = rotation - about_beam * beam
    return {
        "delta_xy_um": 1e3 * float(np.hypot(shift @ radial, shift @ tangential)),
        "radial_um": 1e3 * float(shift @ radial),
        "tangential_um": 1e3 * float(shift @ tangential),
        "z_um": 1e3 * float(shift @ beam),
        "rotation_z_degree": float(np.degrees(about_beam)),
        "tilt_degree": float(np.degrees(np.linalg.norm(tilt))),
        # a rotation about the tangent moves the normal along the radius
        "tilt_radial_degree": float(np.degrees(rotation @ tangential)),
        "tilt_tangential_degree": float(np.degrees(rotation @ radial)),
    }


def detector_shifts(
    start: Detector,
    end: Detector,
    parts: Sequence[DetectorPart],
    beam: Floats,
    n_spots: NDArray[np.int64] | None = None,
) -> Table:
    """Return the table of the moves of parts, level by level, with mean and sigma of each level.

    The move of a part includes those of the parts that contain it. n_spots : (panels,) used on each
    panel, the weights; None: equal weights.
    """
    rows = _rows(start, end, parts, beam, n_spots)
    return Table(name="shifts", title="Detector shifts", rows=rows, headings=HEADINGS)


def detector_statistics(
    odd: Detector,
    even: Detector,
    parts: Sequence[DetectorPart],
    beam: Floats,
    n_spots: NDArray[np.int64] | None = None,
) -> Table:
    """Return the table of differences of the detectors from odd and even stills.

    Its columns are those of `detector_shifts`. The error with all stills is about half of them, as
    each half has half of the spots.
    """
    title = "Detector statistics: even stills against odd ones"
    rows = _rows(odd, even, parts, beam, n_spots)
    return Table(name="statistics", title=title, rows=rows, headings=HEADINGS)


def _rows(
    start: Detector,
    end: Detector,
    parts: Sequence[DetectorPart],
    beam: Floats,
    n_spots: NDArray[np.int64] | None,
) -> list[dict[str, Any]]:
    weights = np.ones(len(start)) if n_spots is None else n_spots.astype(np.float64)
    rows: list[dict[str, Any]] = []
    for level in sorted({p.level for p in parts}):
        own = [p for p in parts if p.level == level]
        moves = [moves_between(start, end, p, beam, weights) for p in own]
        counts = [None if n_spots is None else int(n_spots[list(p.panels)].sum()) for p in own]
        rows += [
            {"level": level, "part": p.name, "n_spots": n, **m}
            for p, n, m in zip(own, counts, moves, strict=True)
        ]
        if len(own) > 1:
            rows += _summary(moves, counts, level)
    return rows


def _summary(
    moves: list[dict[str, float]], counts: list[int | None], level: int
) -> list[dict[str, Any]]:
    """Return the rows of the mean and the standard deviation, weighted by spots if known."""
    known = [n for n in counts if n is not None]
    share = np.array(known, np.float64) + 1e-9 if known else np.ones(len(moves))
    n, name_of = (sum(known), "weighted {}") if known else (None, "{}")
    rows: list[dict[str, Any]] = []
    values = {name: np.array([m[name] for m in moves]) for name in MOVES}
    mean = {name: float(np.average(v, weights=share)) for name, v in values.items()}
    sigma = {
        name: float(np.sqrt(np.average((v - mean[name]) ** 2, weights=share)))
        for name, v in values.items()
    }
    for what, found in (("mean", mean), ("sigma", sigma)):
        rows.append({"level": level, "part": name_of.format(what), "n_spots": n, **found})
    return rows


def _small_rotation(before: Floats, after: Floats) -> Floats:
    """Return the small rotation vector (3,), rad, between two frames of axes as rows (3, 3)."""
    r = after.T @ before
    return 0.5 * np.array([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]])
