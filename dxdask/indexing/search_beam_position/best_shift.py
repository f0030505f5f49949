"""The shift of the beam centre that puts most spots on a lattice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Reflections
from dxdask.errors import DxdaskError
from dxdask.indexing.beam_search import BeamSearch
from dxdask.indexing.lattice_fit import Lattice, fit, indices_near
from dxdask.indexing.max_cell import find_max_cell
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.reciprocal import map_centroids
from dxdask.indexing.search_beam_position.differences import (
    lattices_of_differences,
    spot_differences,
)
from dxdask.indexing.search_beam_position.grid import best_shifts
from dxdask.indexing.search_beam_position.score import lattice_planes
from dxdask.indexing.search_beam_position.shifts import with_beam_shift
from dxdask.indexing.trial_fit import TIGHT, above_chance, evenly
from dxdask.models import ExperimentList

LATTICES = 3
AS_GOOD = 0.95
"""Of shifts that index nearly as many spots as well as the best, the smallest is taken."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BeamShift:
    """A shift of the beam centre, along fast and slow (2,), mm.

    fraction : of the spots on the lattice at that centre, less those by chance.
    tight : of those within half the tolerance.
    """

    shift_mm: Floats
    fraction: float
    tight: float


def find_beam_shift(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: IndexParameters,
    search: BeamSearch,
) -> BeamShift | None:
    """Return the shift that puts most spots on a lattice; None where no lattice is found.

    The lattice is that of differences between spots, which a shift hardly changes. All experiments
    are moved alike.

    reflections : spots, as `index` takes them.
    """
    spots = evenly(map_centroids(reflections, experiments), search.max_reflections)
    differences = spot_differences(spots)
    try:
        max_cell = parameters.max_cell or find_max_cell(spots, parameters.max_cell_estimation)
    except DxdaskError:
        return None
    tolerance = parameters.index_assignment.simple.hkl_tolerance
    found: list[_Tried] = []
    for lattice in lattices_of_differences(differences, max_cell, parameters)[:LATTICES]:
        planes = lattice_planes(spots, experiments, lattice.a_matrix)
        for shift in best_shifts(planes, search)[0]:
            rlp = map_centroids(spots, with_beam_shift(experiments, shift))["rlp"]
            found.append(_tried(shift, fit(lattice.a_matrix, rlp, tolerance), rlp, tolerance))
    if not found:
        return None
    best = max(t.shift.tight for t in found)
    found = [t for t in found if t.shift.tight >= AS_GOOD * best]
    nearest = min(t.off for t in found)
    found = [t for t in found if t.off <= nearest / AS_GOOD]
    return min(found, key=lambda t: float(np.linalg.norm(t.shift.shift_mm))).shift


class _Tried(NamedTuple):
    """A shift, and the median distance of the spots from the lattice, in index units."""

    shift: BeamShift
    off: float


def _tried(shift: Floats, lattice: Lattice, rlp: Floats, tolerance: float) -> _Tried:
    hkl, near = indices_near(lattice.a_matrix, rlp, TIGHT * tolerance)
    off = np.abs(rlp[near] @ np.linalg.inv(lattice.a_matrix).T - hkl[near])
    return _Tried(
        shift=BeamShift(
            shift_mm=shift,
            fraction=above_chance(lattice.a_matrix, rlp, tolerance),
            tight=above_chance(lattice.a_matrix, rlp, TIGHT * tolerance),
        ),
        off=float(np.median(off)) if near.any() else np.inf,
    )
