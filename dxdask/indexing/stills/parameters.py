"""Parameters of the indexing of stills; DIALS's names where it has them."""

from __future__ import annotations

from pydantic import field_validator

from dxdask.indexing.parameters import Cell
from dxdask.models import space_group
from dxdask.parameters import Parameters, parameter
from dxdask.refinement.stills.parameters import StillRefinementParameters


class KnownStillSymmetry(Parameters):
    """What is known of the crystals beforehand."""

    space_group: str | None = parameter(None, "space group, symbol or number")
    unit_cell: Cell | None = parameter(
        None, "a, b, c, alpha, beta, gamma; default: found from all stills together",
        unit="Angstrom, degree",
    )  # fmt: skip
    relative_length_tolerance: float = parameter(
        0.05, "difference of cell edges allowed, as a fraction", gt=0.0, lt=0.5
    )
    absolute_angle_tolerance: float = parameter(
        3.0, "difference of cell angles allowed", unit="degree", gt=0.0, lt=30.0
    )

    @field_validator("space_group")
    @classmethod
    def _is_space_group(cls, value: str | None) -> str | None:
        return None if value is None else space_group(value).xhm()

    @field_validator("unit_cell", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return value.replace(",", " ").split() if isinstance(value, str) else value


class Search(Parameters):
    """The search for the orientation of a known cell."""

    n_vectors: int = parameter(20, "candidates for the shortest axis", expert=1, ge=1, le=1000)
    max_directions: int = parameter(
        60_000, "directions of the shortest axis tried at most; where more would be needed, spots "
        "far out are left for later", expert=1, ge=100, le=1_000_000,
    )  # fmt: skip
    max_spots: int = parameter(
        250, "spots to search with at most; all are used to refine", expert=1, ge=10
    )


class Retry(Parameters):
    """Further attempts at a still that was not indexed."""

    inner_fractions: tuple[float, ...] = parameter(
        (0.6,), "search again with this fraction of the spots, those of lowest resolution"
    )
    widened: bool = parameter(True, "at last search again among five times the candidates")


class BlindSearch(Parameters):
    """The search for the lattice of a still whose cell is not known."""

    max_cell: float = parameter(200.0, "longest axis", unit="Angstrom", gt=10.0, le=1000.0)
    n_points: int = parameter(256, "grid across the beam", expert=1, ge=64, le=512)
    n_peaks: int = parameter(60, "candidates for axes", expert=1, ge=3, le=500)


class Consensus(Parameters):
    """The cell that most of the stills of a run share."""

    relative_length_tolerance: float = parameter(
        0.03,
        "cells are alike whose edges and diagonals differ by at most this fraction",
        gt=0.0,
        lt=0.5,
    )
    max_delta: float = parameter(
        1.5, "largest Le Page delta of a lattice symmetry", unit="degree", gt=0.0, lt=10.0
    )
    min_crystals: int = parameter(3, "fewest stills that a cell is proposed from", ge=1)
    max_crystals: int = parameter(
        1000, "stills that the cell is sought from at most, evenly over the run", expert=1, ge=1
    )


class StillIndexParameters(Parameters):
    """Parameters of the indexing of stills."""

    known_symmetry: KnownStillSymmetry = KnownStillSymmetry()
    hkl_tolerance: float = parameter(
        0.3, "largest distance of an index from an integer", gt=0.0, le=0.5
    )
    min_indexed: int = parameter(8, "fewest indexed spots of a crystal", ge=6)
    min_fraction: float = parameter(
        0.2, "smallest fraction of the spots that a crystal explains", ge=0.0, le=1.0
    )
    min_evidence: float = parameter(
        14.0, "how unlikely chance must be to index as well: -ln of its probability", expert=1,
        ge=0.0,
    )  # fmt: skip
    max_lattices: int = parameter(1, "crystals sought on a still at most", ge=1, le=10)
    minimum_angular_separation: float = parameter(
        5.0, "between crystals on one still; others are taken for parts of one", unit="degree",
        ge=0.0, le=90.0,
    )  # fmt: skip
    max_spots: int = parameter(20_000, "a still with more spots is not indexed", expert=1, ge=10)
    search: Search = Search()
    retry: Retry = Retry()
    blind: BlindSearch = BlindSearch()
    consensus: Consensus = Consensus()
    refine: bool = parameter(True, "refine each crystal against its spots")
    refinement: StillRefinementParameters = StillRefinementParameters()
