"""Parameters of the thresholds, with DIALS's names and defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dxdask.parameters import Parameters, parameter

# sums of a window of more pixels would not be exact
HalfWidth = Annotated[int, Field(ge=1, le=60)]


class DispersionParameters(Parameters):
    """Of both dispersion thresholds."""

    gain: float | None = parameter(
        None,
        "Counts per photon, on top of the gain of the panel; not with `lookup.gain_map`. None: 1.",
        unit="counts/photon",
        gt=0.0,
    )
    kernel_size: tuple[HalfWidth, HalfWidth] = parameter(
        (3, 3),
        "Half width of the window in which mean and variance are found: it is 2 n + 1 wide. "
        "Along slow, then fast.",
        unit="px",
        expert=1,
    )
    sigma_background: float = parameter(
        6.0,
        "Standard deviations by which variance / mean of a window must stand out for it to hold "
        "more than background.",
        expert=1,
        ge=0.0,
    )
    sigma_strong: float = parameter(
        3.0,
        "Standard deviations by which a pixel must stand out from the mean around it.",
        expert=1,
        ge=0.0,
    )
    min_local: int = parameter(
        2, "Good pixels a window must have; 0 or less: all of them must be good.", expert=1
    )
    global_threshold: float | None = parameter(
        0.0,
        "Pixels at or below this are never strong. None (Auto): found for each image from how many "
        "of its pixels are above which count.",
        unit="counts",
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
    """Of the threshold above the radial profile of the background."""

    n_iqr: float = parameter(
        6.0, "Interquartile ranges by which a pixel must stand out of its ring.", gt=0.0
    )
    blur: Literal["narrow", "wide"] | None = parameter(
        None, "Blur the image first, over 3 x 3 (narrow) or 5 x 5 pixels (wide)."
    )
    n_bins: int = parameter(100, "Rings of equal width in 2 theta.", ge=2)


class HelenParameters(Parameters):
    """Of the threshold by correlation with the picture of an ideal spot."""

    exp_spot_dimension: int = parameter(3, "Expected width of a spot.", unit="px", expert=2, ge=1)
    global_threshold: float = parameter(
        100.0, "Only pixels above this begin a spot.", unit="counts", expert=2, ge=0.0
    )
    min_blob_score: float = parameter(
        0.7, "Correlation with the ideal spot that makes a spot.", expert=2, ge=-1.0, le=1.0
    )
    num_passes: int = parameter(
        0, "Times to begin again with an ideal spot half made of those found.", expert=2, ge=0
    )


class ThresholdParameters(Parameters):
    """Which pixels are strong."""

    algorithm: Literal["dispersion", "dispersion_extended", "radial_profile", "helen"] = parameter(
        "dispersion_extended",
        "dispersion: strong against all of its window. dispersion_extended: against the background "
        "around, with spots left out; finds the wings of a spot too. radial_profile: against its "
        "ring of resolution. helen: by correlation with an ideal spot.",
    )
    dispersion: DispersionParameters = DispersionParameters()
    radial_profile: RadialProfileParameters = RadialProfileParameters()
    helen: HelenParameters = HelenParameters()
