"""Parameters of the thresholds, with DIALS's names and defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dxdask.parameters import Parameters, parameter

# sums over a larger window would not be exact
HalfWidth = Annotated[int, Field(ge=1, le=60)]


class DispersionParameters(Parameters):
    """Parameters of both dispersion thresholds."""

    gain: float | None = parameter(
        None,
        "Counts per photon, on top of the gain of the panel; not with `lookup.gain_map`. None: 1.",
        unit="counts/photon",
        gt=0.0,
    )
    kernel_size: tuple[HalfWidth, HalfWidth] = parameter(
        (3, 3),
        "Half width n of the window in which mean and variance are computed, 2 n + 1 pixels, along "
        "slow and fast.",
        unit="px",
        expert=1,
    )
    sigma_background: float = parameter(
        6.0,
        "Standard deviations by which variance / mean of a window must exceed that of the "
        "background for the window to hold signal.",
        expert=1,
        ge=0.0,
    )
    sigma_strong: float = parameter(
        3.0,
        "Standard deviations by which a strong pixel exceeds the mean around it.",
        expert=1,
        ge=0.0,
    )
    min_local: int = parameter(
        2, "Smallest number of good pixels in a window; 0 or less: all.", expert=1
    )
    global_threshold: float | None = parameter(
        0.0,
        "Pixels at or below this are never strong. None (Auto): estimated for each image from its "
        "numbers of pixels above each count.",
        unit="photons",
        ge=0.0,
    )

    @model_validator(mode="after")
    def _window_holds_min_local(self) -> DispersionParameters:
        slow, fast = self.kernel_size
        area = (2 * slow + 1) * (2 * fast + 1)
        if self.min_local > area:
            raise ValueError(
                f"dispersion.min_local={self.min_local} is more than the {area} pixels of a window "
                f"of kernel_size={slow},{fast}; lower the first or raise the second"
            )
        return self


class RadialProfileParameters(Parameters):
    """Parameters of the threshold above the radial profile of the background."""

    n_iqr: float = parameter(
        6.0, "Interquartile ranges by which a strong pixel exceeds the median of its ring.", gt=0.0
    )
    blur: Literal["narrow", "wide"] | None = parameter(
        None, "Blur the image first, over 3 x 3 (narrow) or 5 x 5 pixels (wide)."
    )
    n_bins: int = parameter(100, "Rings of equal width in 2 theta.", ge=2)


class HelenParameters(Parameters):
    """Parameters of the threshold by correlation with an ideal spot."""

    exp_spot_dimension: int = parameter(3, "Expected width of a spot.", unit="px", expert=2, ge=1)
    global_threshold: float = parameter(
        100.0, "Smallest peak of a spot.", unit="photons", expert=2, ge=0.0
    )
    min_blob_score: float = parameter(
        0.7, "Smallest correlation of a spot with the ideal spot.", expert=2, ge=-1.0, le=1.0
    )
    num_passes: int = parameter(
        0, "Passes repeated with an ideal spot updated by the spots found.", expert=2, ge=0
    )


class ThresholdParameters(Parameters):
    """Choice of the threshold, and the parameters of each."""

    algorithm: Literal["dispersion", "dispersion_extended", "radial_profile", "helen"] = parameter(
        "dispersion_extended",
        "dispersion: pixels above the mean of their window. dispersion_extended: above the "
        "background without spots; also finds the wings of a spot. radial_profile: above the "
        "median of their ring of resolution. helen: by correlation with an ideal spot.",
    )
    dispersion: DispersionParameters = DispersionParameters()
    radial_profile: RadialProfileParameters = RadialProfileParameters()
    helen: HelenParameters = HelenParameters()
