"""Parameters of the merging of stills."""

from __future__ import annotations

from typing import Literal

from dxdask.merging.parameters import BinningParameters
from dxdask.parameters import Parameters, parameter


class PostRefinementParameters(Parameters):
    """Parameters of post-refinement."""

    n_cycles: int = parameter(12, "Maximum number of cycles.", ge=1, expert=1)
    tolerance: float = parameter(
        2e-3, "Stop when the relative change of the scales is less than this.", gt=0, expert=2
    )
    b_factor: bool = parameter(True, "Refine a relative B factor of each still.")
    orientation: bool = parameter(
        True, "Refine the orientation of each still about two axes across the beam."
    )
    stretch: bool = parameter(
        True, "Refine a stretch of the lattice of each still (or of its wavelength)."
    )
    radius: bool = parameter(True, "Refine the width of the partiality of each still.")
    mosaicity: bool = parameter(
        True, "Refine the growth with resolution of the width of the partiality of each still."
    )
    initial_radius: float | None = parameter(
        None,
        "Standard deviation of the partiality in the excitation error, in the first cycle. "
        "None: estimated from the data.",
        unit="1/Angstrom",
        gt=0,
    )
    tail: float | None = parameter(
        None,
        "Share of the Lorentzian tail in the partiality. None: refined for each still.",
        gt=0,
        le=0.5,
        expert=2,
    )
    degrees_of_freedom: float = parameter(
        4.0,
        "Degrees of freedom of Student's t distribution of the residuals; fewer weigh outliers "
        "down more.",
        gt=2,
        expert=2,
    )


class AmbiguityParameters(Parameters):
    """Parameters of the indexing ambiguity: settings allowed by the lattice, not the crystal."""

    resolve: bool = parameter(True, "Reindex stills to one setting, where there are several.")
    max_obliquity: float = parameter(
        1.0,
        "Maximum deviation of the lattice from the higher symmetry.",
        unit="degree",
        ge=0,
        le=10,
    )
    n_seeds: int = parameter(
        5,
        "Number of stills, those with the most observations, from which the settings are "
        "determined; the best result is taken.",
        ge=1,
        expert=2,
    )


class StillsMergingParameters(Parameters):
    """Parameters of the merging of stills."""

    d_min: float | None = parameter(
        None, "High resolution limit. None: no limit.", unit="Angstrom", gt=0
    )
    d_max: float | None = parameter(
        None, "Low resolution limit. None: no limit.", unit="Angstrom", gt=0
    )
    min_partiality: float = parameter(
        0.02, "Minimum partiality of the observations that are merged.", ge=0, lt=1
    )
    prior: Literal["wilson", "none"] = parameter(
        "wilson",
        "Prior of the merged intensities. wilson: the posterior mean with Wilson's distribution at "
        "that resolution, which is positive and near the mean of the shell where observations are "
        "weak. none: the weighted mean of the observations.",
    )
    max_excitation: float | None = parameter(
        None,
        "Maximum excitation error of an observation. None: the limit of "
        "integration.prediction.n_sigma, by the width of each still.",
        unit="1/Angstrom",
        gt=0,
        expert=1,
    )
    min_cc: float | None = parameter(
        0.3,
        "Minimum correlation of a still with the other stills, beyond chance; others are rejected. "
        "None: keep all.",
        gt=-1,
        lt=1,
    )
    post_refinement: PostRefinementParameters = parameter(
        PostRefinementParameters(),
        "Scales, B factors, orientations and partialities of the stills.",
    )
    ambiguity: AmbiguityParameters = parameter(AmbiguityParameters(), "Indexing ambiguity.")
    merging: BinningParameters = parameter(BinningParameters(), "Resolution shells of the tables.")
