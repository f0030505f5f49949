"""Parameters of the methods of indexing: DIALS's names and defaults."""

from __future__ import annotations

from typing import Literal

from dxdask.parameters import Parameters, parameter

MethodName = Literal[
    "fft3d", "fft1d", "real_space_grid_search", "low_res_spot_match", "pinkindexer"
]


class ReciprocalSpaceGrid(Parameters):
    """Grid of the Fourier transform."""

    n_points: int = parameter(256, "Grid points along each edge.", expert=1, ge=32, le=512)
    d_min: float | None = parameter(
        None, "High-resolution limit of the grid. Default: 5 max_cell / n_points.", unit="Angstrom",
        expert=1, gt=0,
    )  # fmt: skip


class Fft3d(Parameters):
    """Search for basis vectors by a three-dimensional Fourier transform."""

    b_iso: float | None = parameter(
        None,
        "Isotropic B factor that damps high angles. Default: -4 d_min^2 ln 0.05.",
        unit="Angstrom^2",
        expert=2,
    )
    rmsd_cutoff: float = parameter(15.0, "Threshold of peaks, in units of the rms.", expert=2, ge=0)
    peak_volume_cutoff: float = parameter(
        0.15, "Smallest volume of a peak, as a fraction of the largest.", expert=2, ge=0, le=1
    )
    reciprocal_space_grid: ReciprocalSpaceGrid = ReciprocalSpaceGrid()


class Fft1d(Parameters):
    """Search for basis vectors by one-dimensional Fourier transforms along many directions."""

    characteristic_grid: float | None = parameter(
        None,
        "Angle between directions. Default: as fine as the longest edge needs, at most 0.029.",
        unit="rad", expert=2, gt=0, lt=0.5,
    )  # fmt: skip


class RealSpaceGridSearch(Parameters):
    """Search for vectors of the lengths of the known cell's axes along many directions."""

    characteristic_grid: float = parameter(
        0.02, "Angle between directions.", unit="rad", expert=2, gt=0.001, lt=0.5
    )
    max_vectors: int = parameter(30, "Largest number of vectors.", expert=2, ge=3, le=500)


class CandidateSpots(Parameters):
    """Spots of lowest resolution that are matched."""

    limit_resolution_by: Literal["n_spots", "d_min"] = parameter(
        "n_spots", "Which limit chooses the spots.", expert=1
    )
    d_min: float = parameter(
        15.0, "High-resolution limit, for limit_resolution_by=d_min.", unit="Angstrom", expert=1,
        gt=0,
    )  # fmt: skip
    n_spots: int = parameter(
        10, "Number of spots, for limit_resolution_by=n_spots.", expert=1, ge=3, le=100
    )
    d_star_tolerance: float = parameter(
        4.0,
        "Largest difference of 1/d of a spot and of its index, in standard uncertainties.",
        expert=1, gt=0,
    )  # fmt: skip


class LowResSpotMatch(Parameters):
    """Match of the spots of lowest resolution to indices of the known cell."""

    candidate_spots: CandidateSpots = CandidateSpots()
    use_P1_indices_as_seeds: bool = parameter(
        False, "Start from all indices, not only those that symmetry makes unique.", expert=1
    )
    search_depth: Literal["triplets", "quads"] = parameter(
        "triplets", "Number of spots whose distances have to fit.", expert=1
    )
    bootstrap_crystal: bool = parameter(
        False, "Fit the whole matrix A to the matched spots, not only the orientation.", expert=1
    )
    max_pairs: int = parameter(200, "Largest number of pairs kept.", expert=1, ge=1)
    max_triplets: int = parameter(600, "Largest number of triplets kept.", expert=1, ge=1)
    max_quads: int = parameter(600, "Largest number of quadruplets kept.", expert=1, ge=1)


class OrientationSearch(Parameters):
    """The search for the orientation of a known cell."""

    n_vectors: int = parameter(
        20, "Number of candidates for the shortest axis.", expert=1, ge=1, le=1000
    )
    max_directions: int = parameter(
        60_000, "Largest number of directions of the shortest axis; where more are needed, the "
        "outermost spots are not used in the search", expert=1, ge=100, le=1_000_000,
    )  # fmt: skip
    max_spots: int = parameter(
        250, "Largest number of spots in the search; all are used in refinement.", expert=1, ge=10
    )
