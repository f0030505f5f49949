"""Parameters of integration, with the names of dials.integrate."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import field_validator, model_validator

from dxdask.models.path_materials import window_of
from dxdask.parameters import Parameters, parameter
from dxdask.prediction import PredictionParameters


class LearntParameters(Parameters):
    """Profiles learnt from strong reflections."""

    scan_step: float = parameter(
        5.0,
        "Stretch of the scan with profiles of its own; a reflection has the mean of those of the "
        "two nearest.",
        unit="degree",
        gt=0,
        expert=1,
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
        "frames of its own, or (auto) the learnt one where the variance of weak fits becomes less "
        "than 0.9 of that with the Gaussian, or where Gaussian fits vary by 2 % along the scan.",
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
        False,
        "Estimate sigma_b and sigma_m along the scan: those of stretches of the scan with enough "
        "strong spots, smoothed.",
    )
    min_spots: int = parameter(
        50,
        "Minimum number of strong spots of a run, for its widths to be estimated.",
        ge=1,
        expert=1,
    )


class CrystalParameters(Parameters):
    """Crystals along the scan."""

    scan_varying: bool = parameter(
        True,
        "Let the crystal vary along the scan where the predictions of strong spots get better by "
        "a fifth or more.",
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


class GlmModelParameters(Parameters):
    """Model of the background by a generalised linear model."""

    algorithm: Literal["auto", "constant3d", "loglinear2d", "loglinear3d", "radial"] = parameter(
        "constant3d",
        "Background under a reflection: a constant; log linear in x and y, or in x, y and along "
        "the rotation; radial, the exponential of a polynomial along the scattering angle, for "
        "rings of ice; or auto, radial where the background is not constant. But for loglinear3d, "
        "what varies is the same on all images of a reflection.",
    )


class GlmParameters(Parameters):
    """Background by a robust generalised linear model of Poisson counts."""

    model: GlmModelParameters = GlmModelParameters()
    robust: RobustParameters = RobustParameters()
    min_pixels: int = parameter(
        10, "Minimum number of background pixels of a reflection.", ge=1, expert=1
    )


class GmodelParameters(Parameters):
    """Background by the shape of that of the run, scaled by robust regression."""

    window: int = parameter(
        65,
        "Side of the window over which the background is averaged, beside its profile along the "
        "scattering angle.",
        unit="pixel",
        ge=1,
        le=1001,
        expert=1,
    )
    robust: RobustParameters = RobustParameters()
    min_pixels: int = parameter(
        10, "Minimum number of background pixels of a reflection.", ge=1, expert=1
    )


class NsigmaParameters(Parameters):
    """Outliers by standard deviations from the mean."""

    lower: float = parameter(3.0, "Number of them below the mean.", gt=0, expert=1)
    upper: float = parameter(3.0, "Number of them above the mean.", gt=0, expert=1)


class TruncatedParameters(Parameters):
    """Outliers are the lowest and highest pixels."""

    lower: float = parameter(0.01, "Fraction of the lowest.", ge=0, lt=0.5, expert=1)
    upper: float = parameter(0.01, "Fraction of the highest.", ge=0, lt=0.5, expert=1)


class TukeyParameters(Parameters):
    """Outliers by interquartile ranges from the quartiles."""

    lower: float = parameter(1.5, "Number of them below the first quartile.", gt=0, expert=1)
    upper: float = parameter(1.5, "Number of them above the third quartile.", gt=0, expert=1)


class PlaneOutlierParameters(Parameters):
    """Outliers by their distance from a first plane."""

    n_sigma: float = parameter(4.0, "Number of standard deviations of the counts.", gt=0, expert=1)


class OutlierParameters(Parameters):
    """Outliers, which are left out of the background."""

    algorithm: Literal["null", "nsigma", "truncated", "tukey", "plane"] = parameter(
        "null", "Which pixels are outliers; null: none. plane is of linear2d and linear3d only."
    )
    nsigma: NsigmaParameters = NsigmaParameters()
    truncated: TruncatedParameters = TruncatedParameters()
    tukey: TukeyParameters = TukeyParameters()
    plane: PlaneOutlierParameters = PlaneOutlierParameters()


class SimpleModelParameters(Parameters):
    """Model of the background by means."""

    algorithm: Literal["constant2d", "constant3d", "linear2d", "linear3d"] = parameter(
        "constant3d",
        "Background under a reflection: a constant on each image (constant2d, without outliers "
        "left out) or on all; a plane in x and y, the same on all its images; or a plane in x, y "
        "and the image.",
    )


class SimpleParameters(Parameters):
    """Background by least squares after outliers are left out."""

    outlier: OutlierParameters = OutlierParameters()
    model: SimpleModelParameters = SimpleModelParameters()
    min_pixels: int = parameter(
        10, "Minimum number of background pixels of a reflection.", ge=1, expert=1
    )

    @model_validator(mode="after")
    def _outliers_of_model(self) -> Self:
        outlier, model = self.outlier.algorithm, self.model.algorithm
        if outlier == "plane" and model not in ("linear2d", "linear3d"):
            raise ValueError(
                "background.simple.outlier.algorithm=plane needs "
                "background.simple.model.algorithm=linear2d or linear3d"
            )
        if outlier != "null" and model == "constant2d":
            raise ValueError(
                f"background.simple.model.algorithm=constant2d leaves no outliers out: "
                f"background.simple.outlier.algorithm={outlier} needs constant3d, linear2d or "
                f"linear3d; or use null"
            )
        return self


class BackgroundParameters(Parameters):
    """Background of the reflections."""

    algorithm: Literal["glm", "simple", "gmodel"] = parameter(
        "glm",
        "Robust Poisson regression; least squares after outliers are left out; or (gmodel) the "
        "shape of the background of the run, from a pass over the frames of its own, scaled by "
        "robust Poisson regression.",
    )
    glm: GlmParameters = GlmParameters()
    simple: SimpleParameters = SimpleParameters()
    gmodel: GmodelParameters = GmodelParameters()


class CorrectionParameters(Parameters):
    """Corrections of counts, and of intensities in the columns lp and qe, which scaling applies."""

    lorentz: bool = parameter(True, "Correct for the time in diffracting position.", expert=1)
    polarisation: bool = parameter(True, "Correct for the polarisation of the beam.", expert=1)
    absorption: bool = parameter(
        True, "Correct for the part of the rays that passes the sensor, by angle.", expert=1
    )
    count_rate: bool | Literal["auto"] = parameter(
        "auto",
        "Correct counts for the dead time of the pixels; auto: where the header has a dead time "
        "and does not say that counts are corrected.",
        expert=1,
    )
    dead_time: float | None = parameter(
        None,
        "Dead time of a pixel after a photon. None: that of the header.",
        unit="s",
        gt=0,
        le=1e-3,
        expert=1,
    )
    air: bool = parameter(
        False, "Correct for absorption by the air from the sample to the detector.", expert=1
    )
    window: str | None = parameter(
        None,
        "Correct for absorption by a window before the detector and parallel to it, "
        "MATERIAL:THICKNESS in mm; Be, Al, Kapton or Mylar. None: no window.",
        expert=1,
    )

    @field_validator("window")
    @classmethod
    def _is_window(cls, text: str | None) -> str | None:
        if text is not None:
            window_of(text)
        return text


class IntegrationParameters(Parameters):
    """Parameters of `integrate`."""

    detector_response: Literal["auto", "none"] = parameter(
        "auto",
        "Make counts photons by the response that `calibrate_detector` found, where it found one.",
    )

    prediction: PredictionParameters = PredictionParameters()
    crystal: CrystalParameters = CrystalParameters()
    profile: ProfileParameters = ProfileParameters()
    background: BackgroundParameters = BackgroundParameters()
    corrections: CorrectionParameters = CorrectionParameters()
