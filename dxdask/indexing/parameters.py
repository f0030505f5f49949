"""Parameters of indexing: DIALS's names and defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from dxdask.indexing.beam_search import BeamSearch
from dxdask.indexing.methods.parameters import (
    Fft1d,
    Fft3d,
    LowResSpotMatch,
    MethodName,
    OrientationSearch,
    RealSpaceGridSearch,
)
from dxdask.models import space_group
from dxdask.parameters import Parameters, parameter

Edge = Annotated[float, Field(gt=0)]
Angle = Annotated[float, Field(gt=0, lt=180)]
Cell = tuple[Edge, Edge, Edge, Angle, Angle, Angle]


class MaxCellEstimation(Parameters):
    """Estimation of the longest cell edge from nearest neighbours."""

    filter_ice: bool = parameter(True, "Exclude spots at the resolutions of ice rings.", expert=1)
    filter_overlaps: bool = parameter(
        True, "Exclude spots with overlapping bounding boxes.", expert=1
    )
    overlaps_border: int = parameter(
        0,
        "Border added to bounding boxes before the search for overlaps.",
        unit="px",
        expert=1,
        ge=0,
    )
    multiplier: float = parameter(
        1.3, "Factor by which the estimated longest edge is multiplied.", expert=2, gt=0
    )
    step_size: float = parameter(
        45.0,
        "Range of rotation within which neighbours are searched for.",
        unit="degree",
        expert=2,
        gt=0,
    )
    nn_per_bin: int = parameter(
        5, "Mean number of neighbours in a bin of the histogram.", expert=2, ge=1
    )
    max_height_fraction: float = parameter(
        0.25,
        "The last bin above this fraction of the highest gives the edge.",
        expert=2,
        ge=0,
        lt=1,
    )


class KnownCrystal(Parameters):
    """Known space group and cell of the crystals."""

    space_group: str | None = parameter(None, "Space group, symbol or number.")
    unit_cell: Cell | None = parameter(
        None, "Unit cell a, b, c, alpha, beta, gamma.", unit="Angstrom, degree"
    )

    @field_validator("space_group")
    @classmethod
    def _is_space_group(cls, value: str | None) -> str | None:
        return None if value is None else space_group(value).xhm()

    @field_validator("unit_cell", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return value.replace(",", " ").split() if isinstance(value, str) else value


class KnownSymmetry(KnownCrystal):
    """Known symmetry of the crystal."""

    relative_length_tolerance: float = parameter(
        0.1, "Largest difference of cell edges, as a fraction.", expert=1, ge=0
    )
    absolute_angle_tolerance: float = parameter(
        5.0, "Largest difference of cell angles.", unit="degree", expert=1, ge=0
    )
    max_delta: float = parameter(
        5.0, "Largest Le Page delta of a lattice symmetry.", unit="degree", expert=1, ge=0
    )


class Simple(Parameters):
    """Assignment of the nearest indices."""

    hkl_tolerance: float = parameter(
        0.3, "Largest distance of an index from an integer.", gt=0, le=0.5
    )


class LocalAssignment(Parameters):
    """Assignment by differences of indices between neighbours (Kabsch 2010)."""

    epsilon: float = parameter(
        0.05, "Distance of a difference of indices from integers that is certain.", gt=0, lt=0.5
    )
    delta: float = parameter(
        8.0, "Largest difference of indices between neighbours that is certain.", ge=1
    )
    l_min: float = parameter(
        0.8, "Weight of a pair of spots, 0 to 1, from which on it joins no tree.", gt=0, le=1
    )
    nearest_neighbours: int = parameter(20, "Neighbours of each spot that are compared.", ge=1)


class IndexAssignment(Parameters):
    """Assignment of Miller indices to spots."""

    method: Literal["simple", "local"] = parameter(
        "simple",
        "simple: the nearest index. local: from neighbour to neighbour, for crystals that drift.",
    )
    simple: Simple = Simple()
    local: LocalAssignment = LocalAssignment()


class MultipleLatticeSearch(Parameters):
    """Search for more lattices among the spots that are not indexed."""

    max_lattices: int = parameter(1, "Largest number of lattices in a sweep.", ge=1)
    recycle_unindexed_reflections_cutoff: float = parameter(
        0.1, "Fraction of spots not indexed above which an additional lattice is searched for.",
        expert=1, ge=0, le=1,
    )  # fmt: skip
    minimum_angular_separation: float = parameter(
        5.0, "Smallest angle between two lattices, over their symmetry.", unit="degree", expert=1,
        ge=0, le=180,
    )  # fmt: skip


class CellConsensus(Parameters):
    """Cells that runs indexed by their own have in common."""

    relative_length_tolerance: float = parameter(
        0.03, "Largest relative difference of the axes and diagonals of similar cells.", expert=1,
        gt=0, lt=0.5,
    )  # fmt: skip
    min_crystals: int = parameter(
        2, "Fewest crystals with a cell that others are indexed by.", expert=1, ge=1
    )


class GeometrySearch(BeamSearch):
    """Search for what is wrong with the geometry, where no lattice fits the spots."""

    apply: Literal["beam_centre", "none"] = parameter(
        "beam_centre",
        "What is corrected before indexing goes on: the beam centre, which is then reported, or "
        "nothing. A wrong rotation axis or distance is named in the error.",
    )


class FilterScorer(Parameters):
    """Choice of a lattice by filters."""

    check_doubled_cell: bool = parameter(
        True, "Exclude multiples of a cell that index hardly more spots.", expert=2
    )
    likelihood_cutoff: float = parameter(
        0.8,
        "Smallest likelihood (1 - rmsd in mm), as a fraction of the best.",
        expert=2,
        ge=0,
        le=1,
    )
    volume_cutoff: float = parameter(
        1.25, "Largest volume, as a multiple of the smallest.", expert=2, gt=1
    )
    n_indexed_cutoff: float = parameter(
        0.9, "Smallest number of indexed spots, as a fraction of the most.", expert=2, ge=0, le=1
    )


class WeightedScorer(Parameters):
    """Choice of a lattice by a weighted score."""

    power: int = parameter(1, "Power of the terms of the score.", expert=2, ge=1, le=4)
    volume_weight: float = parameter(1.0, "Weight of the volume.", expert=2, ge=0)
    n_indexed_weight: float = parameter(
        1.0, "Weight of the number of indexed spots.", expert=2, ge=0
    )
    rmsd_weight: float = parameter(1.0, "Weight of the RMSD.", expert=2, ge=0)


class BasisVectorCombinations(Parameters):
    """Combination of basis vectors to lattices, and ranking of these."""

    max_combinations: int = parameter(50, "Largest number of lattices tried.", expert=1, ge=1)
    max_refine: int | None = parameter(
        None,
        "Largest number of distinct lattices refined. Default: 5, more of few spots, up to 50.",
        expert=1,
        ge=1,
    )
    sys_absent_threshold: float = parameter(
        0.9, "Fraction of absences above which a cell is not primitive.", ge=0, le=1
    )
    solution_scorer: Literal["filter", "weighted"] = parameter(
        "weighted", "How the best of the refined lattices is chosen.", expert=1
    )
    filter: FilterScorer = FilterScorer()
    weighted: WeightedScorer = WeightedScorer()


class RefinementProtocol(Parameters):
    """The macrocycles: index, refine, widen the resolution."""

    n_macro_cycles: int = parameter(5, "Number of cycles of assignment and refinement.", ge=1)
    d_min_step: float | None = parameter(
        None,
        "Decrease of d_min in each cycle. Default: such that the last reaches all spots.",
        unit="Angstrom",
        ge=0,
    )
    d_min_start: float | None = parameter(None, "d_min of the first cycle.", unit="Angstrom", gt=0)
    d_min_final: float | None = parameter(
        None, "d_min of the last cycle; spots beyond are not used.", unit="Angstrom", gt=0
    )
    disable_unit_cell_volume_sanity_check: bool = parameter(
        False, "Accept a cell whose volume grows by more than half.", expert=1
    )


class IndexParameters(Parameters):
    """Parameters of `index`."""

    method: MethodName = parameter(
        "fft3d",
        "Method that finds the lattice. fft3d and fft1d need no cell, the others need "
        "known_symmetry.unit_cell; those are for narrow wedges and few spots.",
    )
    fall_back: bool = parameter(
        True,
        "Where the method finds no lattice that fits, try cells twice as long as estimated, and "
        "the other methods, as far as they apply.",
    )
    optimise_initial_basis_vectors: bool = parameter(
        False, "Refine the vectors of real_space_grid_search against the spots.", expert=1
    )
    joint_indexing: bool | Literal["auto"] = parameter(
        True,
        "Index all runs by one crystal, else each run by its own; auto: by one where that fits, "
        "else by their own, with the cell and setting that most of them share.",
    )
    accept_poor_fit: bool = parameter(
        False,
        "Accept a lattice that fits the spots of a run hardly better than any other would: then a "
        "warning, else an error.",
    )
    min_cell_volume: float = parameter(
        25.0, "Smallest volume of a cell.", unit="Angstrom^3", expert=1, ge=0
    )
    min_cell: float = parameter(3.0, "Shortest basis vector.", unit="Angstrom", expert=1, ge=0)
    max_cell: float | None = parameter(
        None, "Longest basis vector. Default: estimated.", unit="Angstrom", expert=1, gt=0
    )
    max_cell_estimation: MaxCellEstimation = MaxCellEstimation()
    fft3d: Fft3d = Fft3d()
    fft1d: Fft1d = Fft1d()
    real_space_grid_search: RealSpaceGridSearch = RealSpaceGridSearch()
    low_res_spot_match: LowResSpotMatch = LowResSpotMatch()
    pinkindexer: OrientationSearch = OrientationSearch()
    known_symmetry: KnownSymmetry = KnownSymmetry()
    index_assignment: IndexAssignment = IndexAssignment()
    multiple_lattice_search: MultipleLatticeSearch = MultipleLatticeSearch()
    geometry_search: GeometrySearch = GeometrySearch()
    consensus: CellConsensus = CellConsensus()
    basis_vector_combinations: BasisVectorCombinations = BasisVectorCombinations()
    refinement_protocol: RefinementProtocol = RefinementProtocol()


class BravaisParameters(Parameters):
    """Parameters of `refine_bravais_settings`."""

    lepage_max_delta: float = parameter(
        5.0, "Largest Le Page delta of a lattice symmetry.", unit="degree", ge=0
    )


class RefinedFitParameters(Parameters):
    """What is accepted of `refine`."""

    accept_poor_fit: bool = parameter(
        False,
        "Accept refined models that fit the spots of a run hardly better than any other would, "
        "whose cell changed beyond reason, or that leave out most reflections: then a warning, "
        "else an error.",
    )
