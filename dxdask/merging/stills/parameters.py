"""Parameters of the merging of stills."""

from __future__ import annotations

from typing import Literal

from dxdask.merging.parameters import BinningParameters
from dxdask.parameters import Parameters, parameter


class PostRefinementParameters(Parameters):
    """Of the alternating fit of stills and of the merged intensities."""

    n_cycles: int = parameter(
        12, "Times that stills are fitted and merged in turn, at most.", ge=1, expert=1
    )
    tolerance: float = parameter(
        2e-3, "The cycles end once scales change by less, relatively.", gt=0, expert=2
    )
    b_factor: bool = parameter(True, "Whether each still has its own relative B factor.")
    orientation: bool = parameter(True, "Whether each still is turned about two axes.")
    stretch: bool = parameter(
        True, "Whether the lattice of each still (or its wavelength) is stretched."
    )
    radius: bool = parameter(True, "Whether each still has its own width of partiality.")
    mosaicity: bool = parameter(
        True, "Whether the width of partiality grows with resolution, in each still on its own."
    )
    initial_radius: float | None = parameter(
        None,
        "Standard deviation of the excitation error at which partiality falls, to begin with. "
        "None: from the data.",
        unit="1/Angstrom",
        gt=0,
    )
    tail: float | None = parameter(
        None,
        "Share of the Lorentzian tail in the partiality. None: each still has its own.",
        gt=0,
        le=0.5,
        expert=2,
    )
    degrees_of_freedom: float = parameter(
        4.0,
        "Of Student's t distribution of residuals: the fewer, the less an observation that does "
        "not fit counts.",
        gt=2,
        expert=2,
    )


class AmbiguityParameters(Parameters):
    """Of settings that the lattice allows and the crystal's symmetry does not make the same."""

    resolve: bool = parameter(True, "Whether stills are brought to one setting, where several are.")
    max_obliquity: float = parameter(
        1.0, "By how much the lattice may miss the higher symmetry.", unit="degree", ge=0, le=10
    )
    n_seeds: int = parameter(
        5, "Stills with the most observations to begin from; the best outcome is taken.", ge=1,
        expert=2,
    )  # fmt: skip


class StillsMergingParameters(Parameters):
    """Parameters of the merging of stills."""

    d_min: float | None = parameter(
        None, "Leave out reflections beyond this resolution.", unit="Angstrom", gt=0
    )
    d_max: float | None = parameter(
        None, "Leave out reflections below this resolution.", unit="Angstrom", gt=0
    )
    min_partiality: float = parameter(
        0.02, "Leave out observations of which less was recorded, when merging.", ge=0, lt=1
    )
    prior: Literal["wilson", "none"] = parameter(
        "wilson",
        "Whether a merged intensity is the mean of what its observations and the distribution of "
        "intensities at its resolution say, so that it is positive and near the mean of the shell "
        "where hardly recorded; or the weighted mean of the observations alone.",
    )
    max_excitation: float | None = parameter(
        None,
        "Leave out observations farther than this from the Ewald sphere. None: none, but what "
        "integration.prediction.n_sigma has left out, by the width of each still.",
        unit="1/Angstrom",
        gt=0,
        expert=1,
    )
    min_cc: float | None = parameter(
        0.3,
        "Leave out stills whose observations correlate less than this with what other stills say, "
        "beyond chance. None: keep all.",
        gt=-1,
        lt=1,
    )
    post_refinement: PostRefinementParameters = parameter(
        PostRefinementParameters(), "Scales, B factors, orientations and partialities of stills."
    )
    ambiguity: AmbiguityParameters = parameter(
        AmbiguityParameters(), "Settings of stills, before they are merged."
    )
    merging: BinningParameters = parameter(BinningParameters(), "Resolution shells of the tables.")
