"""Cells of crystals that are scaled and merged together: those of one crystal form."""

from __future__ import annotations

import numpy as np

from dxdask.errors import InputError
from dxdask.models import ExperimentList

UNLIKE = (0.02, 2.0)
"""Differences of edges, relative, and of angles, degrees, from the median that are reported."""
OTHER_FORM = (0.1, 10.0)
"""The same beyond which crystals are not scaled or merged together."""


def require_one_form(experiments: ExperimentList) -> tuple[str, ...]:
    """Return a warning where cells differ by more than 2 % or 2 degrees from the median.

    Raises
    ------
    InputError
        They differ by more than 10 % or 10 degrees: the crystals are of different forms.
    """
    members = [(e.run, e.crystal.unit_cell) for e in experiments if e.crystal is not None]
    cells = np.array([cell for _, cell in members], dtype=np.float64).reshape(-1, 6)
    if len(cells) < 2:
        return ()
    median = np.median(cells, axis=0)
    edges = np.abs(cells[:, :3] / median[:3] - 1).max(axis=1)
    angles = np.abs(cells[:, 3:] - median[3:]).max(axis=1)
    worst = int(np.argmax(np.maximum(edges / UNLIKE[0], angles / UNLIKE[1])))
    run, cell = members[worst]
    text = (
        f"the cell of {run} ({', '.join(f'{x:.2f}' for x in cell)}) differs from the median one "
        f"({', '.join(f'{x:.2f}' for x in median)})"
    )
    if edges[worst] > OTHER_FORM[0] or angles[worst] > OTHER_FORM[1]:
        raise InputError(
            f"{text}: crystals of different forms are not scaled or merged together; give the runs "
            "of one of them (runs=NAME,...), or reindex them to one setting"
        )
    if edges[worst] > UNLIKE[0] or angles[worst] > UNLIKE[1]:
        return (f"Warning: {text}: crystals are not isomorphous",)
    return ()
