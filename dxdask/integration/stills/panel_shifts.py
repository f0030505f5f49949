"""Shifts of the spots of a still against their predictions, panel by panel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models.symmetry import pack
from dxdask.prediction.stills.predict_still import Predictions

SPOT_ERROR = 0.3
"""Error of the position of a spot, px."""
PANEL_ERROR = 0.8
"""Standard deviation of the positions of panels, px."""
_CUT = 3.0


def panel_shifts(
    found: Predictions, hkl: NDArray[np.int32], panel: NDArray[np.int32], xy: Floats, n_panels: int
) -> Floats:
    """Return the shifts (panels, 2), px, of the spots against their predictions.

    They are medians, drawn towards 0 where there are few spots; so no intensity is lost by a
    detector that is not refined yet.

    found : predictions of the still. hkl : (n, 3), panel : (n,) and xy : (n, 2) of its spots, px.
    """
    shifts = np.zeros((n_panels, 2))
    rows = rows_of(found.hkl, hkl)
    known = rows >= 0
    known[known] = found.panel[rows[known]] == panel[known]
    rows, panel = rows[known], panel[known]
    off = xy[known] - np.stack([found.x[rows], found.y[rows]], axis=1)
    for p in np.unique(panel):
        own = off[panel == p]
        middle = np.median(own, axis=0)
        n = int((np.hypot(*(own - middle).T) < _CUT).sum())
        shifts[p] = middle * n / (n + (SPOT_ERROR / PANEL_ERROR) ** 2)
    return shifts


def rows_of(table: NDArray[np.int32], hkl: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the rows (n,) of these hkl in a table (m, 3) in order of h, k, l; -1: none."""
    if len(table) == 0:
        return np.full(len(hkl), -1, np.int64)
    keys, wanted = pack(table), pack(hkl)
    rows = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[rows] == wanted, rows, -1)
