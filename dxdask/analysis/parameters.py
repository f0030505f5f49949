"""Parameters of the analyses of a detector: histogram, linearity, gain, bad pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from dxdask.parameters import Parameters, parameter
from dxdask.spotfinding.thresholds.parameters import ThresholdParameters


class HistogramParameters(Parameters):
    """Parameters of `histogram`."""

    data_min: int = parameter(0, "smallest pixel value counted", unit="photons")
    data_max: int = parameter(
        12000, "values from here on are counted in the last bin", unit="photons", gt=0
    )
    n_slots: int = parameter(12000, "bins, of equal width", ge=1, le=1 << 22)
    notch_max: int = parameter(
        50, "empty bins below this value are reported as notches", unit="photons", ge=0
    )
    indexed_only: bool = parameter(
        True, "count the pixels of indexed spots only (others may be of bad pixels)"
    )


class LinearityParameters(Parameters):
    """Parameters of `linearity`."""

    reference: str | None = parameter(
        None, "name of the reference run. None: the run of highest transmission"
    )
    intensity: Literal["sum", "prf"] = parameter(
        "sum", "summed intensities, or those of fitted profiles"
    )
    i_over_sigma: float = parameter(3.0, "smallest I/sigma of a reflection")
    selection: Literal["expected", "both", "reference"] = parameter(
        "expected",
        "apply the limit of I/sigma to the reference, and to what its intensity and the "
        "transmissions lead to expect of the other run (expected), to what was measured in both "
        "runs, which favours upward fluctuations of a weak one, or to the reference only",
    )
    max_separation_px: float = parameter(
        3.0, "largest separation of two predictions", unit="px", gt=0
    )
    max_separation_images: float = parameter(
        3.0, "largest separation of two predictions", unit="images", gt=0
    )
    partiality_threshold: float = parameter(0.99, "smallest partiality of a reflection", ge=0, le=1)


class GainOutputParameters(Parameters):
    """Files that `estimate_gain` writes."""

    gain_map: Path | None = parameter(
        None,
        "Write counts per photon of each pixel (slow, fast) to this .npy file, each panel's own "
        "gain, for spotfinder.lookup.gain_map.",
        unit="counts/photon",
    )


class GainParameters(Parameters):
    """Parameters of `estimate_gain`."""

    kernel_size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = parameter(
        (10, 10),
        "Half width n of the window in which mean and variance are computed, 2 n + 1 pixels, along "
        "slow and fast.",
        unit="px",
    )
    max_images: int = parameter(
        10, "Largest number of images of each run, spread evenly over it.", ge=1
    )
    full_windows_only: bool = parameter(
        False,
        "Exclude pixels whose window includes a gap or a masked pixel; otherwise their ratio is 1, "
        "as in DIALS, which biases the gain by up to some percent where they are many and the gain "
        "is near 1 but not 1.",
        expert=1,
    )
    output: GainOutputParameters = GainOutputParameters()


class BadPixelOutputParameters(Parameters):
    """Files and lines that `find_bad_pixels` writes in addition to its tables."""

    mask: Path | None = parameter(
        None,
        "Write the mask (slow, fast) to this .npy file, true where a pixel is good; where runs "
        "differ, NAME_RUN.npy for each.",
    )
    print_values: bool = parameter(
        False, "Print a line `mask: slow fast 16` for each bad pixel, its position in the frame."
    )


class BadPixelParameters(Parameters):
    """Parameters of `find_bad_pixels`."""

    images: tuple[int, ...] = parameter((), "Numbers of the images to use. None given: all.")
    image_range: tuple[int, int] | None = parameter(None, "First and last image to use. None: all.")
    max_images: int | None = parameter(
        None, "Largest number of images of each run, spread evenly over it. None: all.", ge=1
    )
    combine: Literal["joint", "any", "all", "each"] = parameter(
        "joint",
        "Combination of runs of one detector. joint: by all their images together. any, all: a "
        "pixel is bad in all runs if it is bad by the images of any run, or of all. each: runs are "
        "not combined.",
    )
    fraction: float = parameter(
        0.5,
        "A pixel is bad if it is strong, or brighter than all neighbours, in at least this "
        "fraction of the images.",
        gt=0.0,
        le=1.0,
    )
    cluster_fraction: float = parameter(
        0.9,
        "The same for a pixel with a neighbour as bright, which below this fraction may be a spot, "
        "for example near the rotation axis.",
        gt=0.0,
        le=1.0,
    )
    min_images: int = parameter(
        10, "Smallest number of images with a trusted count of a strong or hot pixel.", ge=1
    )
    min_ratio: float = parameter(
        2.0,
        "Smallest ratio of the mean of a strong or hot pixel to that of its brighter neighbours. "
        "0: any, as in DIALS, which also rejects pixels on a steep background.",
        ge=0.0,
    )
    significance: float = parameter(
        0.01,
        "Expected number of good pixels of the detector that are dead, or hot, by chance.",
        gt=0.0,
    )
    threshold: ThresholdParameters = ThresholdParameters()
    output: BadPixelOutputParameters = BadPixelOutputParameters()
