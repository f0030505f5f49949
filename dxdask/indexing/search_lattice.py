"""Search for the lattice of a set of spots: basis vectors, their combinations, the best of them."""

from __future__ import annotations

from dataclasses import dataclass

from dxdask.columns import Reflections, n_rows, select
from dxdask.indexing.candidates import Candidate, best_candidate
from dxdask.indexing.max_cell import find_max_cell
from dxdask.indexing.methods.search_lattices import (
    grid_d_min,
    low_resolution,
    search_lattices,
)
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
    lattices = search_lattices(
        search, experiments, max_cell=max_cell, d_min=d_min, parameters=parameters
    )
    low = low_resolution(search, d_min)
    best, table = best_candidate(lattices, low, experiments, parameters, refinement)
    messages = (
        message,
        f"Setting d_min: {d_min:.2f}",
        f"Number of centroids used: {n_rows(low)}",
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
