"""Parameters of indexing: DIALS's names and defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from dxdask.models import space_group
from dxdask.parameters import Parameters, parameter

Edge = Annotated[float, Field(gt=0)]
Angle = Annotated[float, Field(gt=0, lt=180)]
Cell = tuple[Edge, Edge, Edge, Angle, Angle, Angle]


class MaxCellEstimation(Parameters):
    """How the longest cell edge is estimated from nearest neighbours."""

    filter_ice: bool = parameter(True, "leave out spots at the resolutions of ice rings", expert=1)
    filter_overlaps: bool = parameter(True, "leave out spots whose boxes overlap", expert=1)
    overlaps_border: int = parameter(
        0, "border added to boxes before overlaps are sought", unit="px", expert=1, ge=0
    )
    multiplier: float = parameter(1.3, "factor on the estimated longest edge", expert=2, gt=0)
    step_size: float = parameter(
        45.0, "rotation within which neighbours are sought", unit="degree", expert=2, gt=0
    )
    nn_per_bin: int = parameter(
        5, "neighbours per bin of the histogram, on average", expert=2, ge=1
    )
    max_height_fraction: float = parameter(
        0.25, "the last bin higher than this fraction of the highest counts", expert=2, ge=0, lt=1
    )


class ReciprocalSpaceGrid(Parameters):
    """The grid that is Fourier transformed."""

    n_points: int = parameter(256, "grid points along each edge", expert=1, ge=32, le=512)
    d_min: float | None = parameter(
        None, "finest spacing on the grid; default 5 max_cell / n_points", unit="Angstrom",
        expert=1, gt=0,
    )  # fmt: skip


class Fft3d(Parameters):
    """Search for basis vectors by a three-dimensional Fourier transform."""

    b_iso: float | None = parameter(
        None, "damping of high angles; default -4 d_min^2 ln 0.05", unit="Angstrom^2", expert=2
    )
    rmsd_cutoff: float = parameter(15.0, "peaks stand out by this many rms", expert=2, ge=0)
    peak_volume_cutoff: float = parameter(
        0.15, "smallest peak, as a fraction of the largest", expert=2, ge=0, le=1
    )
    reciprocal_space_grid: ReciprocalSpaceGrid = ReciprocalSpaceGrid()


class KnownSymmetry(Parameters):
    """What is known of the crystal beforehand."""

    space_group: str | None = parameter(None, "space group, symbol or number")
    unit_cell: Cell | None = parameter(None, "a, b, c, alpha, beta, gamma", unit="Angstrom, degree")
    relative_length_tolerance: float = parameter(
        0.1, "difference of cell edges allowed, as a fraction", expert=1, ge=0
    )
    absolute_angle_tolerance: float = parameter(
        5.0, "difference of cell angles allowed", unit="degree", expert=1, ge=0
    )
    max_delta: float = parameter(
        5.0, "largest Le Page delta of a lattice symmetry", unit="degree", expert=1, ge=0
    )

    @field_validator("space_group")
    @classmethod
    def _is_space_group(cls, value: str | None) -> str | None:
        return None if value is None else space_group(value).xhm()

    @field_validator("unit_cell", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return value.replace(",", " ").split() if isinstance(value, str) else value


class Simple(Parameters):
    """Assignment of the nearest integers."""

    hkl_tolerance: float = parameter(
        0.3, "largest distance of an index from an integer", gt=0, le=0.5
    )


class IndexAssignment(Parameters):
    """How spots get their indices."""

    simple: Simple = Simple()


class BasisVectorCombinations(Parameters):
    """How basis vectors are combined to lattices and these are ranked."""

    max_combinations: int = parameter(50, "lattices tried at most", expert=1, ge=1)
    max_refine: int = parameter(5, "distinct lattices refined at most", expert=1, ge=1)
    sys_absent_threshold: float = parameter(
        0.9, "fraction of absences that makes a cell non-primitive", ge=0, le=1
    )
    volume_weight: float = parameter(1.0, "weight of the volume in the score", expert=1, ge=0)
    n_indexed_weight: float = parameter(1.0, "weight of the indexed spots", expert=1, ge=0)
    rmsd_weight: float = parameter(1.0, "weight of the rmsd in the score", expert=1, ge=0)


class RefinementProtocol(Parameters):
    """The macrocycles: index, refine, widen the resolution."""

    n_macro_cycles: int = parameter(5, "cycles of assignment and refinement", ge=1)
    d_min_step: float | None = parameter(
        None,
        "what d_min falls by in each cycle; default: to reach all spots",
        unit="Angstrom",
        ge=0,
    )
    d_min_start: float | None = parameter(None, "d_min of the first cycle", unit="Angstrom", gt=0)
    d_min_final: float | None = parameter(
        None, "spots beyond are never used", unit="Angstrom", gt=0
    )
    disable_unit_cell_volume_sanity_check: bool = parameter(
        False, "go on where the volume grows by more than half", expert=1
    )


class IndexParameters(Parameters):
    """Parameters of `index`."""

    method: Literal["fft3d"] = parameter("fft3d", "how basis vectors are found")
    joint_indexing: bool = parameter(True, "one crystal for all runs; else each run by itself")
    min_cell_volume: float = parameter(25.0, "smallest cell", unit="Angstrom^3", expert=1, ge=0)
    min_cell: float = parameter(3.0, "shortest basis vector", unit="Angstrom", expert=1, ge=0)
    max_cell: float | None = parameter(
        None, "longest basis vector; default: estimated", unit="Angstrom", expert=1, gt=0
    )
    max_cell_estimation: MaxCellEstimation = MaxCellEstimation()
    fft3d: Fft3d = Fft3d()
    known_symmetry: KnownSymmetry = KnownSymmetry()
    index_assignment: IndexAssignment = IndexAssignment()
    basis_vector_combinations: BasisVectorCombinations = BasisVectorCombinations()
    refinement_protocol: RefinementProtocol = RefinementProtocol()


class BravaisParameters(Parameters):
    """Parameters of `refine_bravais_settings`."""

    lepage_max_delta: float = parameter(
        5.0, "largest Le Page delta of a lattice symmetry", unit="degree", ge=0
    )
