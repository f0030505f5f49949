"""Lattices of spots by the method that the parameters name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Reflections, n_rows, select
from dxdask.errors import ConvergenceError, InputError
from dxdask.indexing.evidence import random_points
from dxdask.indexing.lattice import find_lattices
from dxdask.indexing.lattice_fit import FEWEST_INDEXED, Lattice
from dxdask.indexing.parameters import IndexParameters
from dxdask.models import ExperimentList

FEWEST_WITHOUT_CELL = 15
"""A lattice has nine parameters: fewer spots are on many lattices."""
FLAT = 1e-3
"""Ratio of the smallest to the largest principal extent of points that are in one plane."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What a method works with.

    Attributes
    ----------
    spots : those of low resolution, with rlp. experiments : their models.
    reference : (m, 3) random points of the region of the spots, 1/Angstrom.
    max_cell, d_min : longest edge and highest resolution, Angstrom.
    """

    spots: Reflections
    experiments: ExperimentList
    reference: Floats
    max_cell: float
    d_min: float
    parameters: IndexParameters

    @property
    def rlp(self) -> Floats:
        """Points of the reciprocal lattice (n, 3), 1/Angstrom."""
        return self.spots["rlp"]


def grid_d_min(rlp: Floats, *, max_cell: float, n_points: int, d_min: float | None) -> float:
    """Return the finest spacing (Angstrom) of the grid: 5 max_cell / n_points, or the data's."""
    if d_min is not None:
        return d_min
    finest = 1.0 / np.sqrt(np.einsum("ij,ij->i", rlp, rlp).max())
    return float(max(5.0 * max_cell / n_points, finest))


def low_resolution(spots: Reflections, d_min: float) -> Reflections:
    """Return the spots with d at least d_min (Angstrom)."""
    rlp = spots["rlp"]
    return select(spots, np.einsum("ij,ij->i", rlp, rlp) <= 1.0 / d_min**2)


def search_lattices(
    spots: Reflections,
    experiments: ExperimentList,
    *,
    max_cell: float,
    d_min: float,
    parameters: IndexParameters,
) -> list[Lattice]:
    """Return the lattices that `parameters.method` finds, the best first.

    spots : with rlp; those with d below d_min (Angstrom) are not used. max_cell : longest edge,
    Angstrom.

    Raises
    ------
    InputError
        The method needs a known cell, and there is none.
    ConvergenceError
        Too few spots, all in one plane, or nothing found.
    """
    require_cell(parameters)
    low = low_resolution(spots, d_min)
    has_cell = parameters.known_symmetry.unit_cell is not None
    least = FEWEST_INDEXED if has_cell else FEWEST_WITHOUT_CELL
    _check_spots(low["rlp"], n_rows(spots), d_min, least)
    task = Task(
        spots=low,
        experiments=experiments,
        reference=random_points(low, experiments),
        max_cell=max_cell,
        d_min=d_min,
        parameters=parameters,
    )
    return METHODS[parameters.method](task)


def require_cell(parameters: IndexParameters) -> None:
    """Check that the cell is known where the method needs it.

    Raises
    ------
    InputError
        It is not.
    """
    if parameters.method in NEED_CELL and parameters.known_symmetry.unit_cell is None:
        raise InputError(
            f"indexing.method={parameters.method} needs the unit cell: give "
            "indexing.known_symmetry.unit_cell (and .space_group, where the cell is centred), or "
            "use indexing.method=fft3d or fft1d"
        )


def _check_spots(rlp: Floats, n_all: int, d_min: float, least: int) -> None:
    """Check that points (n, 3) can determine a lattice.

    Raises
    ------
    ConvergenceError
        Fewer than `least`, or all in one plane with the origin.
    """
    if len(rlp) < least:
        raise ConvergenceError(
            f"{len(rlp)} of {n_all} spots have d above {d_min:.2f} Angstrom, at least "
            f"{least} are needed to find a lattice: find more spots (lower the threshold "
            "of find_spots), or give a smaller indexing.max_cell"
        )
    extent = np.sqrt(np.maximum(np.linalg.eigvalsh(rlp.T @ rlp), 0.0))
    if extent[0] <= FLAT * extent[2]:
        raise ConvergenceError(
            f"the {len(rlp)} spots lie in one plane through the origin of reciprocal space, which "
            "determines two axes only: give spots of more images"
        )


def _fft3d(task: Task) -> list[Lattice]:
    from dxdask.indexing.methods.fft3d import find_vectors

    found = find_vectors(
        task.rlp, max_cell=task.max_cell, min_cell=task.parameters.min_cell, d_min=task.d_min,
        parameters=task.parameters.fft3d,
    )  # fmt: skip
    return find_lattices(found, task.rlp, task.reference, task.parameters)


def _fft1d(task: Task) -> list[Lattice]:
    from dxdask.indexing.methods.fft1d import find_vectors

    found = find_vectors(
        task.rlp, max_cell=task.max_cell, min_cell=task.parameters.min_cell, d_min=task.d_min,
        parameters=task.parameters.fft1d,
    )  # fmt: skip
    return find_lattices(found, task.rlp, task.reference, task.parameters)


def _real_space_grid_search(task: Task) -> list[Lattice]:
    from dxdask.indexing.methods.real_space_grid_search import find_vectors
    from dxdask.indexing.stills.known_cell import KnownCell

    p = task.parameters
    known = KnownCell.of(*_cell(p))
    found = find_vectors(
        task.rlp, known, parameters=p.real_space_grid_search,
        optimise=p.optimise_initial_basis_vectors,
    )  # fmt: skip
    return find_lattices(found, task.rlp, task.reference, p)


def _pinkindexer(task: Task) -> list[Lattice]:
    from dxdask.indexing.methods.known_orientation import lattices_of_known_cell
    from dxdask.indexing.methods.pinkindexer import find_a_matrices
    from dxdask.indexing.stills.known_cell import KnownCell

    p = task.parameters
    known = KnownCell.of(*_cell(p))
    found = find_a_matrices(
        task.rlp, known, parameters=p.pinkindexer,
        tolerance=p.index_assignment.simple.hkl_tolerance,
    )  # fmt: skip
    return lattices_of_known_cell(found, known, task.rlp, task.reference, p)


def _low_res_spot_match(task: Task) -> list[Lattice]:
    from dxdask.indexing.methods.known_orientation import lattices_of_known_cell
    from dxdask.indexing.methods.low_res_spot_match import find_a_matrices
    from dxdask.indexing.stills.known_cell import KnownCell

    p = task.parameters
    known = KnownCell.of(*_cell(p))
    found = find_a_matrices(
        task.spots, task.experiments, known, parameters=p.low_res_spot_match,
        tolerance=p.index_assignment.simple.hkl_tolerance,
    )  # fmt: skip
    return lattices_of_known_cell(found, known, task.rlp, task.reference, p)


def _cell(parameters: IndexParameters) -> tuple[tuple[float, ...], str]:
    """Return the known cell and its space group, P 1 where that is not known."""
    require_cell(parameters)
    known = parameters.known_symmetry
    return known.unit_cell or (), known.space_group or "P 1"


METHODS: Mapping[str, Callable[[Task], list[Lattice]]] = {
    "fft3d": _fft3d,
    "pinkindexer": _pinkindexer,
    "real_space_grid_search": _real_space_grid_search,
    "low_res_spot_match": _low_res_spot_match,
    "fft1d": _fft1d,
}
"""In the order in which they are tried (`with_fall_back`)."""

NEED_CELL = ("real_space_grid_search", "pinkindexer", "low_res_spot_match")
