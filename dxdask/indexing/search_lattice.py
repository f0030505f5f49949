"""Search for the lattice of a set of spots: basis vectors, their combinations, the best of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dxdask.columns import Reflections, select
from dxdask.indexing.candidates import Candidate, best_candidate
from dxdask.indexing.fft3d import find_basis_vectors, grid_d_min
from dxdask.indexing.lattice import find_lattices
from dxdask.indexing.max_cell import find_max_cell
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.reciprocal import within_first_rotation
from dxdask.models import ExperimentList
from dxdask.refinement import RefinementParameters
from dxdask.tables import Table


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundLattice:
    """The best lattice of some spots.

    Attributes
    ----------
    best : it, with the models refined for it. table : of all candidates.
    d_min : of the search, Angstrom. messages : what was searched.
    """

    best: Candidate
    table: Table
    d_min: float
    messages: tuple[str, ...]


def search_lattice(
    spots: Reflections,
    experiments: ExperimentList,
    parameters: IndexParameters,
    refinement: RefinementParameters,
) -> FoundLattice:
    """Return the best lattice of spots, whose centroids are mapped with `experiments`.

    Raises
    ------
    ConvergenceError
        No lattice is found, or none fits.
    """
    search = select(spots, within_first_rotation(spots, experiments))
    max_cell, message = longest_edge(search, parameters)
    grid = parameters.fft3d.reciprocal_space_grid
    d_min = grid_d_min(search["rlp"], max_cell=max_cell, n_points=grid.n_points, d_min=grid.d_min)
    basis = find_basis_vectors(
        search["rlp"],
        max_cell=max_cell,
        min_cell=parameters.min_cell,
        d_min=d_min,
        parameters=parameters.fft3d,
    )
    low = select(search, np.einsum("ij,ij->i", search["rlp"], search["rlp"]) <= 1.0 / d_min**2)
    lattices = find_lattices(basis.vectors, low["rlp"], parameters)
    best, table = best_candidate(lattices, low, experiments, parameters, refinement)
    messages = (
        message,
        f"Setting d_min: {d_min:.2f}",
        f"FFT gridding: ({', '.join([str(grid.n_points)] * 3)})",
        f"Number of centroids used: {basis.n_used}",
    )
    return FoundLattice(best=best, table=table, d_min=d_min, messages=messages)


def longest_edge(search: Reflections, parameters: IndexParameters) -> tuple[float, str]:
    """Return the longest cell edge (A), given, of the known cell, or estimated; and a message."""
    known = parameters.known_symmetry.unit_cell
    if parameters.max_cell is not None:
        return parameters.max_cell, f"Using max_cell: {parameters.max_cell:.1f} Angstrom"
    if known is not None:
        value = parameters.max_cell_estimation.multiplier * max(known[:3])
        return value, f"Using max_cell: {value:.1f} Angstrom"
    value = find_max_cell(search, parameters.max_cell_estimation)
    return value, f"Found max_cell: {value:.1f} Angstrom"
