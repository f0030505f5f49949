"""Fraction of the spots that the best lattice indexes with given models: a cheap score of these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Reflections, n_rows, select
from dxdask.errors import DxdaskError
from dxdask.indexing.lattice import sample
from dxdask.indexing.lattice_fit import indices_near
from dxdask.indexing.max_cell import find_max_cell
from dxdask.indexing.methods.search_lattices import (
    grid_d_min,
    low_resolution,
    search_lattices,
)
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.reciprocal import map_centroids
from dxdask.models import ExperimentList

GRID = 128
LATTICES = 3
TIGHT = 0.5
"""Part of the tolerance of an index within which points tell lattices apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialFit:
    """The best lattice of some spots with given models.

    Attributes
    ----------
    fraction : of the spots that it indexes, less those that any lattice would by chance, 0 to 1.
    tight : the same of those within half the tolerance, which a lattice that is only near has less.
    a_matrix : A (3, 3) of its reduced cell, None without a lattice. n_spots : compared.
    """

    fraction: float
    tight: float
    a_matrix: Floats | None
    n_spots: int


def evenly(spots: Reflections, most: int) -> Reflections:
    """Return at most so many spots, at equal intervals."""
    n = n_rows(spots)
    if n <= most:
        return spots
    return select(spots, np.linspace(0, n - 1, most).astype(np.int64))


def above_chance(a_matrix: Floats, rlp: Floats, tolerance: float) -> float:
    """Return the fraction of points rlp (n, 3) near a lattice point, less that of any points."""
    _, near = indices_near(a_matrix, sample(rlp), tolerance)
    chance = (2.0 * tolerance) ** 3
    return max(0.0, (float(near.mean()) - chance) / (1.0 - chance)) if len(near) else 0.0


def trial_fit(
    reflections: Reflections, experiments: ExperimentList, parameters: IndexParameters
) -> TrialFit:
    """Return the fit of the best lattice, from a small Fourier transform without refinement.

    reflections : spots, as `index` takes them.
    """
    spots = map_centroids(reflections, experiments)
    rlp = spots["rlp"]
    nothing = TrialFit(fraction=0.0, tight=0.0, a_matrix=None, n_spots=len(rlp))
    try:
        max_cell = parameters.max_cell or find_max_cell(spots, parameters.max_cell_estimation)
        d_min = grid_d_min(rlp, max_cell=max_cell, n_points=GRID, d_min=None)
        grid = parameters.fft3d.reciprocal_space_grid.model_copy(
            update={"n_points": GRID, "d_min": None}
        )
        coarse = parameters.fft3d.model_copy(update={"reciprocal_space_grid": grid})
        lattices = search_lattices(
            spots,
            experiments,
            max_cell=max_cell,
            d_min=d_min,
            parameters=parameters.model_copy(update={"method": "fft3d", "fft3d": coarse}),
        )
    except DxdaskError:
        return nothing
    low = low_resolution(spots, d_min)["rlp"]
    tolerance = parameters.index_assignment.simple.hkl_tolerance
    found = [(above_chance(x.a_matrix, low, tolerance), x.a_matrix) for x in lattices[:LATTICES]]
    if not found:
        return nothing
    fraction, a_matrix = max(found, key=lambda f: f[0])
    tight = above_chance(a_matrix, low, TIGHT * tolerance)
    return TrialFit(fraction=fraction, tight=tight, a_matrix=a_matrix, n_spots=len(low))
