"""Parameters of calibration: dark runs, common mode, gain."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from dxdask.parameters import Parameters, parameter


class DarkParameters(Parameters):
    """Parameters of the reduction of a dark run."""

    n_mad_mean: float = parameter(
        10.0,
        "A pixel is bad if its mean deviates from the median of its panel by more than this number "
        "of standard deviations (by the median absolute deviation).",
        gt=0,
    )
    n_mad_noise: float = parameter(10.0, "The same for the noise of a pixel.", gt=0)
    n_mad_frame: float = parameter(
        10.0,
        "The same for the level and the spread of a frame on a panel, beyond which it is rejected.",
        gt=0,
    )
    min_frames: int = parameter(3, "Smallest number of frames of a pedestal.", ge=2)


class CustomCommonModeParameters(Parameters):
    """Parameters of `common_mode.algorithm=custom`."""

    method: Literal["unbonded_mean", "unbonded_median", "median", "mode", "gaussian"] = parameter(
        "median",
        "Mean or median of the pixels without sensor contact; of the quiet pixels, the median, the "
        "highest bin of their histogram, or a Gaussian fitted around that.",
    )
    low: float = parameter(-40.0, "Lower limit of quiet pixels less the pedestal.", unit="ADU")
    high: float = parameter(40.0, "Upper limit of quiet pixels less the pedestal.", unit="ADU")
    n_bins: int = parameter(100, "Bins of the histogram of quiet pixels.", ge=10, le=100000)

    @model_validator(mode="after")
    def _in_order(self) -> CustomCommonModeParameters:
        if not self.low < self.high:
            raise ValueError(f"custom.low={self.low:g} is not below custom.high={self.high:g}")
        return self


class CommonModeParameters(Parameters):
    """The offset that all pixels of a panel share in one event."""

    algorithm: Literal["none", "default", "custom"] = parameter(
        "default",
        "default: the position of the peak of pixels without photons, fitted together with the "
        "peaks of photons where the gain separates them (a Gaussian without a dark run, that is "
        "without known noise); custom: by common_mode.custom.",
    )
    custom: CustomCommonModeParameters = CustomCommonModeParameters()
    max_correction: float = parameter(
        50.0, "Largest offset that is subtracted; none is subtracted beyond.", unit="ADU", gt=0
    )
    min_pixels: int = parameter(
        100, "Smallest number of quiet pixels from which an offset is subtracted.", ge=1
    )
    min_unbonded: int = parameter(8, "The same for pixels without sensor contact.", ge=1, expert=1)


class CalibrationParameters(Parameters):
    """Parameters of the calibration of raw frames."""

    dark_path: Path | None = parameter(
        None,
        "Dark run from which pedestal, noise and bad pixels are computed: an HDF5 file, or the "
        "store that `dxdask pedestal` made of one.",
    )
    gain: float | None = parameter(
        None, "Gain of pixels without one in a map. None: the panel's.", unit="ADU/photon", gt=0
    )
    gain_map: str | None = parameter(
        None, "Gain of each pixel: a .npy file, or FILE.h5:DATASET.", unit="ADU/photon"
    )
    gain_map_scale: float = parameter(
        1.0, "Factor of the numbers of the map (0.001 for milliADU).", gt=0
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
        "Smallest recorded value of a saturated pixel. None: the largest of its type.",
        unit="ADU",
        gt=0,
    )
    dark: DarkParameters = DarkParameters()
    common_mode: CommonModeParameters = CommonModeParameters()
