"""Parameters of integration, with the names of dials.integrate."""

from __future__ import annotations

from typing import Literal

from dxdask.parameters import Parameters, parameter
from dxdask.prediction import PredictionParameters


class LearntParameters(Parameters):
    """Profiles learnt from strong reflections."""

    scan_step: float = parameter(
        30.0, "Stretch of the scan with profiles of its own.", unit="degree", gt=0, expert=1
    )
    half: float = parameter(
        5.0, "Half size of the grid, in widths of the Gaussian.", gt=0, le=20, expert=2
    )
    n: int = parameter(41, "Number of points along a side of the grid.", ge=9, le=201, expert=2)


class ProfileParameters(Parameters):
    """Widths of the reflections (Kabsch 2010) and profile fitting."""

    algorithm: Literal["auto", "gaussian", "learnt"] = parameter(
        "gaussian",
        "Profile that is fitted: a Gaussian, one learnt from strong reflections in a pass over the "
        "frames of its own, or (auto) the learnt one where the Gaussian misplaces a quarter of "
        "their counts and residuals are smaller with the learnt one.",
    )
    learnt: LearntParameters = LearntParameters()

    fitting: bool = parameter(True, "Fit profiles, beside summing the foreground.")
    valid_foreground_threshold: float = parameter(
        0.75,
        "Minimum fraction of a profile on usable pixels, for it to be fitted.",
        ge=0,
        le=1,
        expert=1,
    )
    sigma_b: float | None = parameter(
        None,
        "Width by the beam divergence. None: estimated from the strong spots.",
        unit="degree",
        gt=0,
    )
    sigma_m: float | None = parameter(
        None,
        "Width by the mosaicity, along the rotation. None: estimated from the strong spots.",
        unit="degree",
        gt=0,
    )
    rlp_radius: float | None = parameter(
        None,
        "Rms radius of the reciprocal lattice points, which widens reflections along the rotation "
        "the more, the larger their d. None: estimated from the strong spots; 0 where sigma_m is "
        "given.",
        unit="1/A",
        ge=0,
        expert=1,
    )
    n_sigma: float = parameter(
        3.0, "Half size of the foreground of a reflection, in widths.", gt=0, expert=1
    )
    min_zeta: float = parameter(
        0.05,
        "Minimum |zeta|; reflections closer to the rotation axis are excluded.",
        ge=0,
        lt=1,
        expert=1,
    )
    scan_varying: bool = parameter(
        True,
        "Let the crystal vary along the scan where the predictions of strong spots get better by "
        "a fifth or more.",
        expert=1,
    )
    min_spots: int = parameter(
        50,
        "Minimum number of strong spots of a run, for its widths to be estimated.",
        ge=1,
        expert=1,
    )


class RobustParameters(Parameters):
    """Parameters of the robust fit of the background."""

    tuning_constant: float = parameter(
        1.345,
        "Number of standard deviations beyond which residuals are weighted down (Huber).",
        gt=0,
        expert=2,
    )
    tolerance: float = parameter(
        1e-3, "Stop when the relative change of the mean is less than this.", gt=0, expert=2
    )
    max_iter: int = parameter(100, "Maximum number of iterations.", ge=1, expert=2)


class GlmParameters(Parameters):
    """Background by a generalised linear model: one constant for each reflection."""

    robust: RobustParameters = RobustParameters()
    min_pixels: int = parameter(
        10, "Minimum number of background pixels of a reflection.", ge=1, expert=1
    )


class BackgroundParameters(Parameters):
    """Background of the reflections."""

    glm: GlmParameters = GlmParameters()


class CorrectionParameters(Parameters):
    """Corrections of intensities, in the columns lp and qe, which scaling applies."""

    lorentz: bool = parameter(True, "Correct for the time in diffracting position.", expert=1)
    polarisation: bool = parameter(True, "Correct for the polarisation of the beam.", expert=1)
    absorption: bool = parameter(
        True, "Correct for the part of the rays that passes the sensor, by angle.", expert=1
    )


class IntegrationParameters(Parameters):
    """Parameters of `integrate`."""

    detector_response: Literal["auto", "none"] = parameter(
        "auto",
        "Make counts photons by the response that `calibrate_detector` found, where it found one.",
    )

    prediction: PredictionParameters = PredictionParameters()
    profile: ProfileParameters = ProfileParameters()
    background: BackgroundParameters = BackgroundParameters()
    corrections: CorrectionParameters = CorrectionParameters()
