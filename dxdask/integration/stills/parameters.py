"""Parameters of the integration of stills."""

from __future__ import annotations

from pydantic import model_validator

from dxdask.parameters import Parameters, parameter


class StillPredictionParameters(Parameters):
    """Limits of the predicted reflections, and widths of the lattice points."""

    d_min: float | None = parameter(
        None,
        "High resolution limit. None: the resolution at the corners of the detector.",
        unit="Angstrom",
        gt=0.0,
    )
    d_max: float | None = parameter(
        None, "Low resolution limit. None: no limit.", unit="Angstrom", gt=0.0
    )
    n_sigma: float = parameter(
        3.0,
        "Maximum excitation error of a predicted reflection, in standard deviations.",
        gt=0.0,
        le=10.0,
    )
    bandwidth: float = parameter(0.002, "Full width of the spectrum, relative.", ge=0.0, lt=0.2)
    domain_size: float | None = parameter(
        None,
        "Size of the coherent blocks. None: estimated from the spots of each still.",
        unit="Angstrom",
        gt=0.0,
    )
    half_mosaicity: float | None = parameter(
        None,
        "Half width of the orientations of the blocks. None: estimated from the spots of each "
        "still.",
        unit="degree",
        ge=0.0,
    )


class StillSummationParameters(Parameters):
    """Foreground and background of a spot."""

    radius: float = parameter(
        2.5, "Minimum half axis of the ellipse of foreground.", unit="px", gt=0.5, le=50.0
    )
    n_sigma: float = parameter(
        3.0,
        "Widths of the predicted spot that are added in quadrature to the half axes.",
        ge=0.0,
    )
    background_inner: float = parameter(
        1.2, "Inner border of the background, as a multiple of the ellipse.", ge=1.0
    )
    background_outer: float = parameter(
        2.4, "Outer border of the background, as a multiple of the ellipse.", gt=1.0, le=10.0
    )
    background_n_sigma: float = parameter(
        4.0,
        "Standard deviations above the background beyond which a pixel is rejected.",
        gt=0.0,
        expert=1,
    )
    neighbour_partiality: float = parameter(
        0.05,
        "Minimum estimated partiality of a reflection whose pixels are not used for others.",
        ge=0.0,
        le=1.0,
        expert=1,
    )
    shadow: float = parameter(
        0.5,
        "Flag reflections with less than this fraction of the usual background at that resolution "
        "on one side, as in the shadow of the beam stop. 0: none.",
        ge=0.0,
        lt=1.0,
    )
    follow_panels: bool = parameter(
        True, "Shift the predictions on each panel by the indexed spots of the still."
    )
    follow_spots: bool = parameter(
        True, "Sum smaller ellipses if the indexed spots of the still are smaller than predicted."
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
    """Parameters of the integration of stills."""

    prediction: StillPredictionParameters = StillPredictionParameters()
    summation: StillSummationParameters = StillSummationParameters()
