"""Parameters of the indexing of stills, with DIALS's names where it has them."""

from __future__ import annotations

from dxdask.indexing.methods.parameters import OrientationSearch
from dxdask.indexing.parameters import Cell, KnownCrystal
from dxdask.parameters import Parameters, parameter
from dxdask.refinement.stills.parameters import StillRefinementParameters


class KnownStillSymmetry(KnownCrystal):
    """Known symmetry of the crystals."""

    unit_cell: Cell | None = parameter(
        None, "Unit cell a, b, c, alpha, beta, gamma. Default: found from all stills together.",
        unit="Angstrom, degree",
    )  # fmt: skip
    relative_length_tolerance: float = parameter(
        0.05, "Largest difference of cell edges, as a fraction.", gt=0.0, lt=0.5
    )
    absolute_angle_tolerance: float = parameter(
        3.0, "Largest difference of cell angles.", unit="degree", gt=0.0, lt=30.0
    )


class Retry(Parameters):
    """Repeated attempts at a still that was not indexed."""

    inner_fractions: tuple[float, ...] = parameter(
        (0.6,), "Search again with this fraction of the spots, those of lowest resolution."
    )
    widened: bool = parameter(True, "Search again with five times the candidates, at last.")


class BlindSearch(Parameters):
    """The search for the lattice of a still of unknown cell."""

    max_cell: float = parameter(200.0, "Longest axis.", unit="Angstrom", gt=10.0, le=1000.0)
    n_points: int = parameter(256, "Grid points across the beam.", expert=1, ge=64, le=512)
    n_peaks: int = parameter(60, "Number of candidates for axes.", expert=1, ge=3, le=500)


class Consensus(Parameters):
    """The cell that most of the stills of a run share."""

    relative_length_tolerance: float = parameter(
        0.03,
        "Largest difference of the edges and diagonals of equal cells, as a fraction.",
        gt=0.0,
        lt=0.5,
    )
    max_delta: float = parameter(
        1.5, "Largest Le Page delta of a lattice symmetry.", unit="degree", gt=0.0, lt=10.0
    )
    min_crystals: int = parameter(3, "Fewest stills with a cell for it to be proposed.", ge=1)
    max_crystals: int = parameter(
        1000,
        "Largest number of stills in the search for the cell, evenly over the run.",
        expert=1,
        ge=1,
    )


class StillIndexParameters(Parameters):
    """Parameters of the indexing of stills."""

    known_symmetry: KnownStillSymmetry = KnownStillSymmetry()
    hkl_tolerance: float = parameter(
        0.3, "Largest distance of an index from an integer.", gt=0.0, le=0.5
    )
    min_indexed: int = parameter(8, "Fewest indexed spots of a crystal.", ge=6)
    min_fraction: float = parameter(
        0.2, "Smallest fraction of the spots that a crystal indexes.", ge=0.0, le=1.0
    )
    min_evidence: float = parameter(
        14.0, "Least -ln of the probability that chance indexes as well.", expert=1,
        ge=0.0,
    )  # fmt: skip
    max_lattices: int = parameter(1, "Largest number of lattices on a still.", ge=1, le=10)
    minimum_angular_separation: float = parameter(
        5.0, "Smallest angle between crystals on one still; those nearer are parts of one.",
        unit="degree", ge=0.0, le=90.0,
    )  # fmt: skip
    max_spots: int = parameter(20_000, "A still with more spots is not indexed.", expert=1, ge=10)
    search: OrientationSearch = OrientationSearch()
    retry: Retry = Retry()
    blind: BlindSearch = BlindSearch()
    consensus: Consensus = Consensus()
    refine: bool = parameter(True, "Refine each crystal against its spots.")
    refinement: StillRefinementParameters = StillRefinementParameters()
