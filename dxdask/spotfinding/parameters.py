"""Parameters of spot finding, with DIALS's names and defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dxdask.parameters import Parameters, parameter

Pair = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
ImageRange = tuple[int, int]
Resolutions = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]


class DispersionParameters(Parameters):
    """Of both dispersion thresholds."""

    gain: float | None = parameter(
        None,
        "Counts per photon, on top of the gain of the panel. None is 1.",
        unit="counts/photon",
        gt=0.0,
    )
    kernel_size: Pair = parameter(
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
    global_threshold: float = parameter(
        0.0, "Pixels at or below this are never strong.", unit="counts", ge=0.0
    )


class ThresholdParameters(Parameters):
    """Which pixels are strong."""

    algorithm: Literal["dispersion", "dispersion_extended"] = parameter(
        "dispersion_extended",
        "dispersion: strong against all of its window. dispersion_extended: against the background "
        "around, with spots left out; finds the wings of a spot too.",
    )
    dispersion: DispersionParameters = DispersionParameters()


class IceRingParameters(Parameters):
    """Rings of ice to leave out."""

    filter: bool = parameter(False, "Whether to leave out pixels on ice rings.")
    unit_cell: tuple[float, float, float, float, float, float] = parameter(
        (4.498, 4.498, 7.338, 90.0, 90.0, 120.0), "Cell of the ice.", unit="A, degree", expert=1
    )
    space_group: str = parameter("194", "Space group of the ice.", expert=1)
    width: float = parameter(0.002, "Width of a ring in 1/d^2.", unit="1/A^2", expert=1, ge=0.0)
    d_min: float | None = parameter(
        None,
        "Rings down to this resolution; None: all on the detector.",
        unit="A",
        expert=1,
        gt=0.0,
    )


class FilterParameters(Parameters):
    """Which pixels may be used and which spots are kept."""

    min_spot_size: int | None = parameter(
        None,
        "Smallest number of strong pixels in a spot. None (Auto): 3 where the detector is a pixel "
        "array (SENSOR_PAD), else 6.",
        unit="px",
        ge=1,
    )
    max_spot_size: int = parameter(1000, "Largest number of strong pixels.", unit="px", ge=1)
    max_separation: float | None = parameter(
        2.0,
        "Largest distance of the brightest pixel from the centroid, images counting as pixels. "
        "None: any.",
        unit="px",
        expert=1,
        ge=0.0,
    )
    max_strong_pixel_fraction: float = parameter(
        0.25,
        "An image with a larger fraction of strong pixels is reported and gives no spots.",
        ge=0.0,
        le=1.0,
    )
    border: int = parameter(0, "Pixels not to use along the edges of each panel.", unit="px", ge=0)
    use_trusted_range: bool = parameter(
        True, "Whether to leave out counts outside the trusted range of the panel."
    )
    d_min: float | None = parameter(None, "High resolution limit.", unit="A", gt=0.0)
    d_max: float | None = parameter(None, "Low resolution limit.", unit="A", gt=0.0)
    resolution_range: tuple[Resolutions, ...] = parameter(
        (), "Ranges of resolution not to use: pairs of limits in either order.", unit="A"
    )
    ice_rings: IceRingParameters = IceRingParameters()


class SpotfinderParameters(Parameters):
    """Of spot finding; on the command line under `spotfinder.`."""

    scan_range: tuple[ImageRange, ...] = parameter(
        (), "First and last image number of each range of images to use. None given: all."
    )
    force_2d: bool = parameter(
        False, "Whether to take each image as a still: spots do not join from one to the next."
    )
    threshold: ThresholdParameters = ThresholdParameters()
    filter: FilterParameters = FilterParameters()
