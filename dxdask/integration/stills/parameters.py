"""Parameters of the integration of stills."""

from __future__ import annotations

from pydantic import model_validator

from dxdask.parameters import Parameters, parameter


class StillPredictionParameters(Parameters):
    """Which reflections are predicted."""

    d_min: float | None = parameter(
        None, "Highest resolution; None: that of the detector's corners.", unit="Angstrom", gt=0.0
    )
    d_max: float | None = parameter(
        None, "Lowest resolution; None: no limit.", unit="Angstrom", gt=0.0
    )
    n_sigma: float = parameter(
        3.0,
        "Reflections are predicted whose excitation error is at most so many standard deviations.",
        gt=0.0,
        le=10.0,
    )
    bandwidth: float = parameter(0.002, "Full width of the spectrum, relative.", ge=0.0, lt=0.2)
    domain_size: float | None = parameter(
        None, "Of the coherent blocks; None: by the spots of each still.", unit="Angstrom", gt=0.0
    )
    half_mosaicity: float | None = parameter(
        None, "Of the spread of blocks; None: by the spots of each still.", unit="degree", ge=0.0
    )


class StillSummationParameters(Parameters):
    """Which pixels are summed."""

    radius: float = parameter(
        2.5, "Half axes of the summed ellipse are so long at least.", unit="px", gt=0.5, le=50.0
    )
    n_sigma: float = parameter(
        3.0, "To their squares, those of so many widths of the predicted spot are added.", ge=0.0
    )
    background_inner: float = parameter(
        1.2, "Background is taken from here on, as a multiple of the ellipse,", ge=1.0
    )
    background_outer: float = parameter(2.4, "to here.", gt=1.0, le=10.0)
    background_n_sigma: float = parameter(
        4.0, "Pixels that stand out so far are not background.", gt=0.0, expert=1
    )
    neighbour_partiality: float = parameter(
        0.05, "Smallest estimated partiality of a reflection whose pixels others may not use.",
        ge=0.0, le=1.0, expert=1,
    )  # fmt: skip
    shadow: float = parameter(
        0.5,
        "Reflections are flagged bad where the background on one side is less than this fraction "
        "of what is usual at that resolution: they lie in the shadow of the beam stop. 0: none.",
        ge=0.0, lt=1.0,
    )  # fmt: skip
    follow_panels: bool = parameter(
        True, "Shift predictions on each panel by what the still's own indexed spots show there."
    )
    follow_spots: bool = parameter(
        True, "Sum smaller ellipses where the still's own indexed spots are smaller than predicted."
    )

    @model_validator(mode="after")
    def _ring_has_pixels(self) -> StillSummationParameters:
        if not self.background_outer > self.background_inner:
            raise ValueError(
                f"background_outer={self.background_outer} must be larger than "
                f"background_inner={self.background_inner}"
            )
        return self


class StillIntegrationParameters(Parameters):
    """Of the integration of stills."""

    prediction: StillPredictionParameters = StillPredictionParameters()
    summation: StillSummationParameters = StillSummationParameters()
