"""Parameters of calibration: dark runs, common mode, gain."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from dxdask.parameters import Parameters, parameter


class DarkParameters(Parameters):
    """Of the reduction of a dark run."""

    n_mad_mean: float = parameter(
        10.0,
        "A pixel is bad whose mean lies so many standard deviations, taken from the median "
        "absolute deviation, off the median of its panel.",
        gt=0,
    )
    n_mad_noise: float = parameter(10.0, "The same of its noise.", gt=0)
    n_mad_frame: float = parameter(
        10.0,
        "A frame is left out whose level or spread on a panel is so far off the others'.",
        gt=0,
    )
    min_frames: int = parameter(3, "Frames without which there is no pedestal.", ge=2)


class CustomCommonModeParameters(Parameters):
    """Of `common_mode.algorithm=custom`."""

    method: Literal["unbonded_mean", "unbonded_median", "median", "mode", "gaussian"] = parameter(
        "median",
        "Mean or median of the pixels without sensor contact; of the quiet pixels, the median, the "
        "highest bin of their histogram, or a Gaussian fitted around that.",
    )
    low: float = parameter(-40.0, "Quiet pixels are so far above the pedestal", unit="ADU")
    high: float = parameter(40.0, "and below this.", unit="ADU")
    n_bins: int = parameter(100, "Bins of the histogram between the two.", ge=10, le=100000)

    @model_validator(mode="after")
    def _in_order(self) -> CustomCommonModeParameters:
        if not self.low < self.high:
            raise ValueError(f"custom.low={self.low:g} is not below custom.high={self.high:g}")
        return self


class CommonModeParameters(Parameters):
    """The offset that all pixels of a panel share in one event."""

    algorithm: Literal["none", "default", "custom"] = parameter(
        "default",
        "default: where the pixels without photons lie, fitted with those of one photon and more "
        "where the gain tells them apart (as gaussian where no dark run gives the noise); custom: "
        "by common_mode.custom.",
    )
    custom: CustomCommonModeParameters = CustomCommonModeParameters()
    max_correction: float = parameter(
        50.0, "A larger offset is not believed, and none is taken off.", unit="ADU", gt=0
    )
    min_pixels: int = parameter(
        100, "Quiet pixels without which no offset is taken off a panel.", ge=1
    )
    min_unbonded: int = parameter(8, "The same of pixels without sensor contact.", ge=1, expert=1)


class CalibrationParameters(Parameters):
    """From what a detector recorded to photons."""

    dark_path: Path | None = parameter(
        None,
        "A dark run: pedestal, noise and bad pixels are taken from it. An HDF5 file, or the store "
        "that `dxdask pedestal` made of one.",
    )
    gain: float | None = parameter(
        None, "Of pixels whose gain no map gives; None: the panel's.", unit="ADU/photon", gt=0
    )
    gain_map: str | None = parameter(
        None, "Gain of each pixel: a .npy file, or FILE.h5:DATASET.", unit="ADU/photon"
    )
    gain_map_scale: float = parameter(
        1.0, "What the numbers of the map are multiplied by (0.001 if in milliADU).", gt=0
    )
    mask: str | None = parameter(
        None, "Bad pixels: a .npy file of booleans, true is good, or FILE.h5:DATASET, 0 is good."
    )
    unbonded: str | None = parameter(
        None, "Pixels without sensor contact: a .npy file of booleans, or FILE.h5:DATASET, not 0."
    )
    output: Literal["photons", "adu"] = parameter(
        "photons", "Whole photons (int32), or ADU above the pedestal (float32)."
    )
    saturation: float | None = parameter(
        None,
        "Counts as recorded from which on a pixel is saturated; None: the largest of its type.",
        unit="ADU",
        gt=0,
    )
    dark: DarkParameters = DarkParameters()
    common_mode: CommonModeParameters = CommonModeParameters()
