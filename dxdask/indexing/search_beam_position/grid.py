"""The shifts of the beam centre with the highest scores: a wide grid, then finer ones."""

from __future__ import annotations

import numpy as np

from dxdask.arrays import Floats
from dxdask.indexing.beam_search import BeamSearch
from dxdask.indexing.search_beam_position.score import LatticePlanes

PHASE = 0.06
"""Change of the phase of the longest vector by a step of the fine grid, in cycles."""
MOST_ALONG = 101
REFINEMENTS = 12
BEST = 4
WIDE_SPOTS, FINE_SPOTS = 500, 2000
"""Spots of the wide grid and of the refinement: at the right centre nearly all agree."""


def best_shifts(planes: LatticePlanes, search: BeamSearch) -> tuple[Floats, Floats]:
    """Return the shifts (m, 2), mm, with the highest scores, and these (m,); best first."""
    step = search.wide_search_binning * _fine_step(planes)
    n = min(2 * int(np.ceil(search.mm_search_scope / step)) + 1, MOST_ALONG)
    along = np.linspace(-search.mm_search_scope, search.mm_search_scope, n)
    grid = np.stack(np.meshgrid(along, along, indexing="ij"), axis=-1)
    scores = planes.thinned(WIDE_SPOTS).scores(grid.reshape(-1, 2)).reshape(n, n)
    fine = planes.thinned(FINE_SPOTS)
    step, scope = float(along[1] - along[0]), search.mm_search_scope
    found = [_refined(fine, grid[i, j], step, scope) for i, j in _maxima(scores)]
    values = fine.scores(np.array(found))
    order = np.argsort(-values, kind="stable")
    return np.array(found)[order], values[order]


def _fine_step(planes: LatticePlanes) -> float:
    """Return the shift (mm) that changes the phase of the longest vector by `PHASE`."""
    longest = float(np.linalg.norm(planes.axes, axis=2).max())
    distance = float(np.median(np.linalg.norm(planes.points, axis=1)))
    wavelength = 1.0 / float(np.linalg.norm(planes.s0, axis=1).mean())
    return PHASE / longest * wavelength * distance


def _maxima(scores: Floats) -> list[tuple[int, int]]:
    """Return the places of the highest local maxima of scores (n, n), best first."""
    n = scores.shape[0]
    padded = np.pad(scores, 1, constant_values=-np.inf)
    around = [padded[1 + i : n + 1 + i, 1 + j : n + 1 + j] for i in (-1, 0, 1) for j in (-1, 0, 1)]
    places = np.argwhere(scores >= np.max(around, axis=0))
    order = np.argsort(-scores[tuple(places.T)], kind="stable")[:BEST]
    return [(int(i), int(j)) for i, j in places[order]]


def _refined(planes: LatticePlanes, shift: Floats, step: float, scope: float) -> Floats:
    """Return the shift (2,), mm, with the highest score near one of the grid."""
    around = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    for _ in range(REFINEMENTS):
        step /= 2.0
        near = np.clip(shift + step * around, -scope, scope)
        shift = near[np.argmax(planes.scores(near))]
    return np.asarray(shift)
