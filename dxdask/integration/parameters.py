"""Parameters of integration, named as in DIALS."""

from __future__ import annotations

from dxdask.parameters import Parameters, parameter


class PredictionParameters(Parameters):
    """Which reflections are predicted."""

    d_min: float | None = parameter(
        None, "Highest resolution; none: that of the detector's corners.", unit="Angstrom", gt=0
    )
    d_max: float | None = parameter(
        None, "Lowest resolution; none: no limit.", unit="Angstrom", gt=0
    )
    padding: float = parameter(
        1.0,
        "How far outside the scan a reflection may be centred.",
        unit="degree",
        ge=0,
        le=180,
        expert=1,
    )


class ProfileParameters(Parameters):
    """Widths of the reflections (Kabsch 2010) and what is done with them."""

    fitting: bool = parameter(
        True, "Whether profiles are fitted, besides the sums over the foreground."
    )
    valid_foreground_threshold: float = parameter(
        0.75,
        "A profile is fitted where at least this fraction of it is on pixels that can be used.",
        ge=0,
        le=1,
        expert=1,
    )
    sigma_b: float | None = parameter(
        None, "Width across the beam; none: estimated from the strong spots.", unit="degree", gt=0
    )
    sigma_m: float | None = parameter(
        None,
        "Width along the rotation; none: estimated from the strong spots.",
        unit="degree",
        gt=0,
    )
    n_sigma: float = parameter(
        3.0, "Half size of a reflection's foreground in widths.", gt=0, expert=1
    )
    min_zeta: float = parameter(
        0.05,
        "Reflections closer to the spindle (|zeta| below this) are left out.",
        ge=0,
        lt=1,
        expert=1,
    )
    min_spots: int = parameter(
        50, "Fewest strong spots of a run from which widths are estimated.", ge=1, expert=1
    )


class RobustParameters(Parameters):
    """The robust fit of the background."""

    tuning_constant: float = parameter(
        1.345, "Residuals beyond this many standard deviations weigh less (Huber).", gt=0, expert=2
    )
    tolerance: float = parameter(
        1e-3,
        "The fit has converged where the mean changes by less than this fraction.",
        gt=0,
        expert=2,
    )
    max_iter: int = parameter(100, "Most rounds of the fit.", ge=1, expert=2)


class GlmParameters(Parameters):
    """Background as a generalised linear model: one constant per reflection."""

    robust: RobustParameters = RobustParameters()
    min_pixels: int = parameter(10, "Fewest background pixels of a reflection.", ge=1, expert=1)


class BackgroundParameters(Parameters):
    """Background under the reflections."""

    glm: GlmParameters = GlmParameters()


class IntegrationParameters(Parameters):
    """Parameters of integration."""

    prediction: PredictionParameters = PredictionParameters()
    profile: ProfileParameters = ProfileParameters()
    background: BackgroundParameters = BackgroundParameters()
