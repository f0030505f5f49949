"""Parameters of the search for the beam centre: DIALS's names and defaults."""

from __future__ import annotations

from typing import Literal

from dxdask.indexing.beam_search import BeamSearch
from dxdask.parameters import Parameters, parameter

ON_FRAMES = ("midpoint", "maximum")
"""Methods that look at the mean image of a run, not at its spots."""


class Midpoint(Parameters):
    """The middle between equal values of the projections of the mean image."""

    intersection_range: tuple[float, float, float] = parameter(
        (0.3, 0.9, 0.01), "Levels, from the least to the largest value: first, last, step.",
        expert=1,
    )  # fmt: skip
    convolution_width: int = parameter(
        80, "Width of the smoothing, at most a fifth of the projection.", unit="px", expert=1, ge=1
    )
    intersection_min_width: float = parameter(
        10.0, "Least distance of the two crossings of a level.", unit="px", expert=1, ge=0
    )


class Projection(Parameters):
    """Methods on frames."""

    max_images: int = parameter(
        10, "Images of a run that are averaged, spread evenly over it.", ge=1
    )
    bin_width: int = parameter(
        20, "Width of the squares whose pixels are averaged.", unit="px", expert=1, ge=1
    )
    exclude_intensity_percent: float = parameter(
        5.0, "Strongest pixels of each square that are left out: spots, hot pixels.", unit="%",
        expert=1, ge=0, lt=100,
    )  # fmt: skip
    max_uncertainty: float = parameter(
        2.0,
        "Largest uncertainty of the centre along fast and slow: refused above.",
        unit="px",
        gt=0,
    )
    midpoint: Midpoint = Midpoint()


class SearchBeamPositionParameters(BeamSearch):
    """Parameters of `search_beam_position`."""

    method: Literal["default", "inversion", "midpoint", "maximum"] = parameter(
        "default",
        "default: the centre at which the spots of a sweep are on one lattice. inversion: that "
        "about which the spots of single images are symmetric, for electrons or short wavelengths. "
        "On frames, by the diffuse scattering around the beam: midpoint, between equal values of "
        "its projections; maximum, where it is strongest.",
    )
    projection: Projection = Projection()
    n_macro_cycles: int = parameter(
        1, "Number of searches, each around the centre found before.", expert=1, ge=1
    )
    d_min: float | None = parameter(
        None, "High-resolution limit of the spots used.", unit="Angstrom", gt=0
    )
    max_cell: float | None = parameter(
        None, "Longest basis vector. Default: estimated.", unit="Angstrom", expert=1, gt=0
    )
