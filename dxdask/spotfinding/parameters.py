"""Parameters of spot finding, with DIALS's names and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from dxdask.masking.parameters import MaskParameters
from dxdask.parameters import Parameters, parameter
from dxdask.spotfinding.thresholds.parameters import ThresholdParameters

ImageRange = tuple[int, int]
Pixel = Annotated[int, Field(ge=0)]


class BackgroundGradientParameters(Parameters):
    """Filter of spots on a steep background."""

    filter: bool = parameter(False, "Enable the filter.", expert=2)
    background_size: int = parameter(
        2, "Width of the border around a spot that is its background.", unit="px", expert=2, ge=1
    )
    gradient_cutoff: float = parameter(
        4.0, "Largest slope of the background of a spot.", unit="photons/px", expert=2, ge=0.0
    )


class SpotDensityParameters(Parameters):
    """Filter of spots in regions with too many spots."""

    filter: bool = parameter(False, "Enable the filter.", expert=2)


class FilterParameters(MaskParameters):
    """Filters of pixels and of spots."""

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
        "Largest distance of the peak from the centroid, in pixels and images. None: any.",
        unit="px",
        expert=1,
        ge=0.0,
    )
    max_strong_pixel_fraction: float = parameter(
        0.25,
        "Largest fraction of strong pixels of an image that is used.",
        ge=0.0,
        le=1.0,
    )
    use_trusted_range: bool = parameter(
        True, "Exclude counts outside the trusted range of the panel."
    )
    background_gradient: BackgroundGradientParameters = BackgroundGradientParameters()
    spot_density: SpotDensityParameters = SpotDensityParameters()

    @model_validator(mode="after")
    def _some_size_is_right(self) -> FilterParameters:
        if self.min_spot_size is not None and self.min_spot_size > self.max_spot_size:
            raise ValueError(
                f"filter.min_spot_size={self.min_spot_size} is larger than "
                f"filter.max_spot_size={self.max_spot_size}: no spot would be kept; "
                "lower the first or raise the second"
            )
        return self


class LookupParameters(Parameters):
    """Files of pixel values."""

    mask: Path | None = parameter(
        None,
        "A .npy file of booleans (slow, fast), true where a pixel is good, or a mask of DIALS.",
    )
    gain_map: Path | None = parameter(
        None,
        "A .npy file (slow, fast) or a map of DIALS, counts per photon of each pixel, in place of "
        "the gains of the panels. `integrate` takes it from here.",
        unit="counts/photon",
    )
    pedestal_map: Path | None = parameter(
        None,
        "A .npy file (slow, fast) or a map of DIALS, counts without photons of each pixel, in "
        "place of the pedestals of the panels. `integrate` takes it from here.",
        unit="counts",
    )


class OutputParameters(Parameters):
    """Output in addition to the table of spots and their strong pixels."""

    shoeboxes: bool = parameter(
        False, "Save all pixels of each spot's bounding box, not only the strong ones."
    )


class SpotfinderParameters(Parameters):
    """Parameters of spot finding; on the command line under `spotfinder.`."""

    lookup: LookupParameters = LookupParameters()
    write_hot_mask: bool = parameter(
        False,
        "Write a mask of the pixels that are strong on every image of the run, or of a range of "
        "`scan_range`: the array hot_mask of find_spots; see apply_mask.",
    )
    mask_bad_pixels: bool = parameter(
        True,
        "Find hot, noisy and dead pixels, and exclude them from spots and from integration: those "
        "of sweeps on the way, those of stills before, by some of their images.",
    )
    bad_pixel_images: int = parameter(
        200,
        "Largest number of images of a run of stills, spread evenly over it, by which its bad "
        "pixels are found; they are read once more.",
        expert=1,
        ge=4,
    )
    force_2d: bool = parameter(False, "Find spots on each image separately, as on stills.")
    scan_range: tuple[ImageRange, ...] = parameter(
        (), "First and last image number of each range of images to use. None given: all."
    )
    region_of_interest: tuple[Pixel, Pixel, Pixel, Pixel] | None = parameter(
        None,
        "Region of each panel in which spots are found: x0, x1, y0, y1, fast and slow, the second "
        "of each not included.",
        unit="px",
    )
    compute_mean_background: bool = parameter(
        False, "Compute the mean of each image's pixels that are not strong."
    )
    per_image_statistics: bool = parameter(
        False, "Report a table of spots, intensity and resolution of each image."
    )
    maximum_trusted_value: float | None = parameter(
        None,
        "Pixels with this count or more are not used; replaces the upper end of the trusted range.",
        unit="counts",
    )
    filter: FilterParameters = FilterParameters()
    threshold: ThresholdParameters = ThresholdParameters()
    output: OutputParameters = OutputParameters()

    @model_validator(mode="after")
    def _one_gain(self) -> SpotfinderParameters:
        if self.lookup.gain_map is not None and self.threshold.dispersion.gain is not None:
            raise ValueError(
                f"lookup.gain_map={self.lookup.gain_map} and "
                f"threshold.dispersion.gain={self.threshold.dispersion.gain:g} are both given; "
                "give one of them"
            )
        return self
