"""Parameters of the analyses of a detector: histogram, linearity, gain, bad pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from dxdask.parameters import Parameters, parameter
from dxdask.spotfinding.thresholds.parameters import ThresholdParameters


class HistogramParameters(Parameters):
    """Parameters of `histogram`."""

    data_min: int = parameter(0, "first pixel value counted", unit="counts")
    data_max: int = parameter(
        12000, "values from here on are counted in the last bin", unit="counts", gt=0
    )
    n_slots: int = parameter(12000, "bins, of equal width", ge=1, le=1 << 22)
    notch_max: int = parameter(
        50, "empty bins below this value are reported as notches", unit="counts", ge=0
    )
    indexed_only: bool = parameter(
        True, "whether only indexed spots count (the others hold bad pixels)"
    )


class LinearityParameters(Parameters):
    """Parameters of `linearity`."""

    reference: str | None = parameter(
        None, "name of the run the others are compared with; None: highest transmission"
    )
    intensity: Literal["sum", "prf"] = parameter(
        "sum", "summed intensities, or those of fitted profiles"
    )
    i_over_sigma: float = parameter(3.0, "least I/sigma of a reflection")
    selection: Literal["both", "reference"] = parameter(
        "both",
        "whether I/sigma is asked of both runs, or of the reference only, which does not favour "
        "a weak run",
    )
    max_separation_px: float = parameter(
        3.0, "farthest apart two predictions may be", unit="px", gt=0
    )
    max_separation_images: float = parameter(
        3.0, "farthest apart two predictions may be", unit="images", gt=0
    )
    partiality_threshold: float = parameter(0.99, "least partiality of a reflection", ge=0, le=1)


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
        "Half width of the window in which mean and variance are found: it is 2 n + 1 wide. "
        "Along slow, then fast.",
        unit="px",
    )
    max_images: int = parameter(
        10, "Images of each run that are looked at, spread evenly over it.", ge=1
    )
    full_windows_only: bool = parameter(
        False,
        "Leave out pixels whose window reaches over a gap or a masked pixel; otherwise they count "
        "as 1, as in DIALS, which is off by up to some percent where they are many and the gain is "
        "near 1 but not 1.",
        expert=1,
    )
    output: GainOutputParameters = GainOutputParameters()


class BadPixelOutputParameters(Parameters):
    """What `find_bad_pixels` writes beside its tables."""

    mask: Path | None = parameter(
        None,
        "Write the mask (slow, fast) to this .npy file, true where a pixel is good; where runs "
        "differ, NAME_RUN.npy for each.",
    )
    print_values: bool = parameter(
        False, "Print a line `mask: slow fast 16` for each bad pixel, its place in the frame."
    )


class BadPixelParameters(Parameters):
    """Parameters of `find_bad_pixels`."""

    images: tuple[int, ...] = parameter((), "Numbers of the images to use. None given: all.")
    image_range: tuple[int, int] | None = parameter(None, "First and last image to use. None: all.")
    max_images: int | None = parameter(
        None, "Use at most so many images of each run, spread evenly over it. None: all.", ge=1
    )
    combine: Literal["joint", "any", "all", "each"] = parameter(
        "joint",
        "Runs of one detector: joint: all their images together decide, for all of them; any or "
        "all: a pixel is bad in all of them where any of them, or every one, says so by its own "
        "images; each: runs are apart.",
    )
    fraction: float = parameter(
        0.5,
        "Strong, or brighter than all neighbours, in at least this fraction of the images makes a "
        "pixel bad.",
        gt=0.0,
        le=1.0,
    )
    cluster_fraction: float = parameter(
        0.9,
        "Strong in at least this fraction makes a pixel bad that has a neighbour as bright: with "
        "less it may be a spot, near the rotation axis say.",
        gt=0.0,
        le=1.0,
    )
    min_images: int = parameter(
        10, "Images in which a pixel must be trusted to be called strong or hot.", ge=1
    )
    min_ratio: float = parameter(
        2.0,
        "A strong or hot pixel's mean must be more than so many times that of its brighter "
        "neighbours; 0: any, as in DIALS, which also takes pixels of steep background.",
        ge=0.0,
    )
    significance: float = parameter(
        0.01,
        "Number of good pixels of the detector that may be called dead, or hot, by chance.",
        gt=0.0,
    )
    threshold: ThresholdParameters = ThresholdParameters()
    output: BadPixelOutputParameters = BadPixelOutputParameters()
