"""Parameters of the refinement of cells against scattering angles; DIALS's names and defaults."""

from __future__ import annotations

from dxdask.parameters import Parameters, parameter


class TwoThetaParameters(Parameters):
    """Parameters of `two_theta_refine`."""

    filter_integrated_centroids: bool = parameter(
        True,
        "Use only strong reflections: flagged so where any is, else of I/sigma(I) of "
        "`min_i_over_sigma` at least.",
    )
    partiality_threshold: float = parameter(
        0.4, "Use only reflections of which this fraction is recorded.", ge=0, le=1
    )
    combine_crystal_models: bool = parameter(
        True, "Fit one cell to all crystals; else each has its own."
    )
    triclinic: bool = parameter(False, "Leave the six constants of the cell free.")
    min_i_over_sigma: float = parameter(5.0, "I/sigma(I) of a strong reflection.", ge=0, expert=1)
    outlier_cutoff: float = parameter(
        4.0, "Standard deviations at which a reflection is an outlier.", gt=0, expert=1
    )
