"""Choice among the candidate lattices, each refined shortly against a sample of the spots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, has_flag, n_rows, select
from dxdask.errors import ConvergenceError, InputError
from dxdask.indexing.assign import assign
from dxdask.indexing.known_symmetry import apply_known_symmetry, cell_text, description
from dxdask.indexing.lattice_fit import Lattice
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.ranking import Solutions, filter_scores, weighted_scores
from dxdask.indexing.reciprocal import map_centroids
from dxdask.indexing.refinement_settings import for_candidates, for_few_spots
from dxdask.models import Crystal, ExperimentList
from dxdask.refinement import RefinementParameters, refine
from dxdask.refinement.summary import rmsd_in_plane
from dxdask.tables import Table

SAMPLE = 10_000
LARGEST_RMSD_PX = 6.0
REFINED = (5, 50)
REFINED_SPOTS = 20_000
"""Fewest and most candidates that are refined, and the number of spots of all together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A candidate crystal with the models refined for it.

    Attributes
    ----------
    volume : of the primitive cell, Angstrom^3.
    n_indexed : spots indexed after refinement, of `n_sample`.
    rmsd_xy_mm, rmsd_xy_px : of those against their predictions.
    """

    experiments: ExperimentList
    volume: float
    n_indexed: int
    n_sample: int
    rmsd_xy_mm: float
    rmsd_xy_px: float

    @property
    def crystal(self) -> Crystal:
        """The crystal."""
        return self.experiments.crystals[0]


def best_candidate(
    lattices: Sequence[Lattice],
    spots: Reflections,
    experiments: ExperimentList,
    parameters: IndexParameters,
    refinement: RefinementParameters,
) -> tuple[Candidate, Table]:
    """Return the candidate with the best score, and the table of all candidates.

    Raises
    ------
    ConvergenceError
        No lattice has the known symmetry, or none indexes the spots.
    """
    combine = parameters.basis_vector_combinations
    n_refined = combine.max_refine or int(np.clip(REFINED_SPOTS // n_rows(spots), *REFINED))
    crystals = _crystals(lattices, parameters, n_refined)
    if not crystals:
        raise ConvergenceError(_no_lattice_message(lattices, spots, parameters))
    some = select(spots, np.arange(0, n_rows(spots), max(n_rows(spots) // SAMPLE, 1)))
    found, reasons = [], []
    for volume, crystal in crystals:
        try:
            found.append(_refined(volume, crystal, some, experiments, parameters, refinement))
        except (ConvergenceError, InputError) as error:
            reasons.append(f"{cell_text(crystal.a)}: {error}")
    if not found:
        raise ConvergenceError(
            f"none of the {len(crystals)} best lattices fits the {n_rows(spots)} spots "
            f"(best: {reasons[0]}); {_ADVICE}"
        )
    solutions = Solutions(
        a_matrices=np.array([c.crystal.a for c in found]),
        volumes=np.array([c.volume for c in found]),
        n_indexed=np.array([float(c.n_indexed) for c in found]),
        rmsds=np.array([max(c.rmsd_xy_mm, 1e-9) for c in found]),
    )
    scores = (
        filter_scores(solutions, combine.filter)
        if combine.solution_scorer == "filter"
        else weighted_scores(solutions, combine.weighted)
    )
    order = np.argsort(scores, kind="stable")
    return found[order[0]], candidates_table([found[i] for i in order], scores[order])


_ADVICE = (
    "check the beam centre, distance, wavelength and rotation axis; or give indexing.max_cell, "
    "indexing.refinement_protocol.d_min_start, or indexing.known_symmetry.unit_cell"
)


def _crystals(
    lattices: Sequence[Lattice], parameters: IndexParameters, n_most: int
) -> list[tuple[float, Crystal]]:
    """Return volumes (primitive cell) and crystals of n_most lattices with the known symmetry."""
    found: list[tuple[float, Crystal]] = []
    for lattice in lattices:
        crystal = apply_known_symmetry(lattice.a_matrix, parameters.known_symmetry)
        if crystal is not None:
            found.append((lattice.volume, crystal))
        if len(found) == n_most:
            break
    return found


def _no_lattice_message(
    lattices: Sequence[Lattice], spots: Reflections, parameters: IndexParameters
) -> str:
    """Return the message for no lattice that can be refined."""
    n = n_rows(spots)
    if not lattices:
        return f"no lattice was found in {n} spots; {_ADVICE}"
    first, known = lattices[0], description(parameters.known_symmetry)
    return (
        f"none of {len(lattices)} lattices found in {n} spots has the {known}; the best has the "
        f"reduced cell {cell_text(first.a_matrix)} and indexes {first.n_indexed} of a sample of "
        f"{first.n_sample} spots; try without the known symmetry, widen "
        f"indexing.known_symmetry.relative_length_tolerance or .absolute_angle_tolerance, or: "
        f"{_ADVICE}"
    )


def _refined(
    volume: float,
    crystal: Crystal,
    some: Reflections,
    experiments: ExperimentList,
    parameters: IndexParameters,
    refinement: RefinementParameters,
) -> Candidate:
    """Return the candidate after a short refinement.

    Raises
    ------
    ConvergenceError
        The refined models do not predict the spots.
    InputError
        Too few spots to refine against.
    """
    tolerance = parameters.index_assignment.simple.hkl_tolerance
    table = assign(some, experiments.with_crystal(crystal), tolerance=tolerance)
    few = for_few_spots(for_candidates(refinement), _n_indexed(table))
    result = refine(table, experiments.with_crystal(crystal), few)
    table = assign(
        map_centroids(table, result.experiments), result.experiments, tolerance=tolerance
    )
    rmsd, _ = rmsd_in_plane(result.reflections)
    pixel = float(np.mean(experiments.detectors[0][0].pixel_size))
    if not rmsd / pixel <= LARGEST_RMSD_PX:
        raise ConvergenceError(f"rmsd of {rmsd / pixel:.1f} px is above {LARGEST_RMSD_PX:g} px")
    return Candidate(
        experiments=result.experiments,
        volume=volume,
        n_indexed=_n_indexed(table),
        n_sample=n_rows(table),
        rmsd_xy_mm=rmsd,
        rmsd_xy_px=rmsd / pixel,
    )


def _n_indexed(table: Reflections) -> int:
    return int(np.count_nonzero(has_flag(table, Flag.INDEXED)))


def candidates_table(candidates: Sequence[Candidate], scores: Floats) -> Table:
    """Return the candidates as DIALS lists them."""
    rows = [
        {
            "unit_cell": cell_text(c.crystal.a),
            "volume": c.volume,
            "n_indexed": c.n_indexed,
            "percent": 100.0 * c.n_indexed / c.n_sample,
            "rmsd_xy_mm": c.rmsd_xy_mm,
            "rmsd_xy_px": c.rmsd_xy_px,
            "score": float(s),
        }
        for c, s in zip(candidates, scores, strict=True)
    ]
    headings = {
        "unit_cell": ("unit_cell", ""),
        "volume": ("volume", ".0f"),
        "n_indexed": ("# indexed", ""),
        "percent": ("% indexed", ".1f"),
        "rmsd_xy_mm": ("rmsd_xy\n(mm)", ".4f"),
        "rmsd_xy_px": ("rmsd_xy\n(px)", ".2f"),
        "score": ("overall\nscore", ".2f"),
    }
    return Table(name="candidates", title="Candidate solutions", rows=rows, headings=headings)
