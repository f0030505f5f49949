"""What metrology shows: how far parts moved, and how well halves of the stills agree.

The tables are those of cspad.detector_shifts and cspad.detector_statistics (Brewster et al. 2018,
Acta Cryst. D74, 877): lengths in um, angles in degree, radial and tangential about the beam.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.models import Detector, Experiment
from dxdask.models.vectors import unit
from dxdask.stills.metrology.hierarchy import Part, axes, centre
from dxdask.stills.metrology.solve import Solution
from dxdask.tables import Table

Floats = NDArray[np.float64]

MOVES = {
    "delta_xy_um": ("dXY\n(um)", ".1f"),
    "radial_um": ("radial\n(um)", ".1f"),
    "tangential_um": ("tangential\n(um)", ".1f"),
    "z_um": ("Z\n(um)", ".1f"),
    "rotation_z_degree": ("rotation Z\n(degree)", ".4f"),
    "tilt_degree": ("tilt\n(degree)", ".4f"),
}
HEADINGS = {
    "level": ("Level", ""),
    "part": ("Part", ""),
    "n_spots": ("Spots", ""),
    **MOVES,
}


def moves_between(
    start: Detector, end: Detector, part: Part, beam: Floats, weights: Floats
) -> dict[str, float]:
    """Return how a part moved from one detector to another, as a row of `MOVES`.

    beam : (3,) unit vector along the beam. weights : (panels,) spots on each.
    """
    panels = list(part.panels)
    share = weights[panels] + 1e-9
    before = np.array([centre(start[i]) for i in panels])
    after = np.array([centre(end[i]) for i in panels])
    shift = np.average(after - before, axis=0, weights=share)
    middle = np.average(before, axis=0, weights=share)
    outwards = middle - (middle @ beam) * beam
    far = float(np.linalg.norm(outwards))
    # a part about the beam has no radius of its own: its fast axis stands for it
    radial = outwards / far if far > 1.0 else axes(start[panels[0]])[0]
    tangential = np.cross(beam, radial)
    turn = np.mean([_turn(axes(start[i]), axes(end[i])) for i in panels], axis=0)
    about_beam = float(turn @ beam)
    return {
        "delta_xy_um": 1e3 * float(np.hypot(shift @ radial, shift @ tangential)),
        "radial_um": 1e3 * float(shift @ radial),
        "tangential_um": 1e3 * float(shift @ tangential),
        "z_um": 1e3 * float(shift @ beam),
        "rotation_z_degree": float(np.degrees(about_beam)),
        "tilt_degree": float(np.degrees(np.linalg.norm(turn - about_beam * beam))),
    }


def detector_shifts(start: Experiment, solution: Solution, n_spots: NDArray[np.int64]) -> Table:
    """Return how each part moved, level by level, and the mean of each level, weighted by spots.

    A part's move holds those of the parts that it lies in. n_spots : (panels,) used on each panel.
    """
    beam = -unit(start.beam.direction)
    weights = n_spots.astype(np.float64)
    rows: list[dict[str, Any]] = []
    for level in sorted({p.level for p in solution.parts}):
        own = [p for p in solution.parts if p.level == level]
        moves = [moves_between(start.detector, solution.detector, p, beam, weights) for p in own]
        counts = [int(n_spots[list(p.panels)].sum()) for p in own]
        rows += [
            {"level": level, "part": p.name, "n_spots": n, **m}
            for p, n, m in zip(own, counts, moves, strict=True)
        ]
        if len(own) > 1:
            rows += _summary(moves, np.array(counts, np.float64), level)
    return Table(name="shifts", title="Detector shifts", rows=rows, headings=HEADINGS)


def detector_statistics(
    odd: Solution, even: Solution, beam: Floats, n_spots: NDArray[np.int64]
) -> Table:
    """Return how far the detectors that odd and even stills give lie apart, part by part.

    beam : (3,) unit vector along the beam. n_spots : (panels,) used on each panel.
    """
    weights = n_spots.astype(np.float64)
    rows: list[dict[str, Any]] = []
    moves = [moves_between(odd.detector, even.detector, p, beam, weights) for p in odd.parts]
    for part, move in zip(odd.parts, moves, strict=True):
        n = int(n_spots[list(part.panels)].sum())
        rows.append({"level": part.level, "part": part.name, "n_spots": n, **move})
    lowest = max(p.level for p in odd.parts)
    own = [i for i, p in enumerate(odd.parts) if p.level == lowest]
    if len(own) > 1:
        counts = np.array([rows[i]["n_spots"] for i in own], np.float64)
        rows += _summary([moves[i] for i in own], counts, lowest)
    title = "Detector statistics: even stills against odd ones"
    return Table(name="statistics", title=title, rows=rows, headings=HEADINGS)


def _summary(moves: list[dict[str, float]], counts: Floats, level: int) -> list[dict[str, Any]]:
    """Return the rows of the mean and the standard deviation, weighted by spots."""
    share = counts + 1e-9
    values = {name: np.array([m[name] for m in moves]) for name in MOVES}
    mean = {name: float(np.average(v, weights=share)) for name, v in values.items()}
    sigma = {
        name: float(np.sqrt(np.average((v - mean[name]) ** 2, weights=share)))
        for name, v in values.items()
    }
    n = int(counts.sum())
    return [
        {"level": level, "part": "weighted mean", "n_spots": n, **mean},
        {"level": level, "part": "weighted sigma", "n_spots": n, **sigma},
    ]


def _turn(before: Floats, after: Floats) -> Floats:
    """Return the small rotation vector (3,), rad, between two frames of axes as rows (3, 3)."""
    turn = after.T @ before
    return 0.5 * np.array(
        [turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]
    )
