"""Parameters of hit finding."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from dxdask.parameters import Parameters, parameter


class Preset(NamedTuple):
    """Limits of peaks and of hits."""

    min_peaks: int
    min_snr: float
    min_pixels: int


PRESETS = {
    "permissive": Preset(min_peaks=10, min_snr=4.0, min_pixels=2),
    "default": Preset(min_peaks=16, min_snr=5.0, min_pixels=2),
    "restrictive": Preset(min_peaks=25, min_snr=8.0, min_pixels=3),
}


class Peakfinder8Parameters(Parameters):
    """Peaks above the background of their ring and of their surroundings (Barty et al. 2014)."""

    threshold: float = parameter(0.0, "pixels at or below this are not of peaks", unit="ADU")
    min_snr: float | None = parameter(
        None, "smallest ratio of signal to noise, of a pixel in its ring and of a peak in its "
        "surroundings; default by the preset: 4, 5 or 8", gt=0.0,
    )  # fmt: skip
    min_pixels: int | None = parameter(
        None, "smallest number of pixels of a peak; default by the preset: 2, 2 or 3", ge=1
    )
    max_pixels: int = parameter(200, "largest number of pixels of a peak", ge=1)
    local_bg_radius: int = parameter(
        3, "half the radius of the surroundings of a peak", unit="px", ge=1, le=50
    )
    max_peaks: int = parameter(
        2048, "largest number of peaks on a panel", expert=1, ge=1, le=100_000
    )
    ring_pixels: int = parameter(
        500, "largest number of pixels sampled for the background of a ring", expert=1, ge=10
    )


class HitParameters(Parameters):
    """Parameters of hit finding."""

    method: Literal["spots", "peakfinder8"] = parameter(
        "spots", "count the spots of find_spots, or the peaks of peakfinder8"
    )
    preset: Literal["permissive", "default", "restrictive"] = parameter(
        "default", "limits of hits and of their peaks, for parameters that are not given"
    )
    min_peaks: int | None = parameter(
        None, "smallest number of spots of a hit; default by the preset: 10, 16 or 25", ge=1
    )
    d_min: float | None = parameter(
        None, "high resolution limit of the spots that are counted", unit="Angstrom", gt=0.0
    )
    d_max: float | None = parameter(
        None, "low resolution limit of the spots that are counted", unit="Angstrom", gt=0.0
    )
    peakfinder8: Peakfinder8Parameters = Peakfinder8Parameters()

    @property
    def effective(self) -> Preset:
        """Limits in effect: those given, and the preset's for the others."""
        preset, own = PRESETS[self.preset], self.peakfinder8
        return Preset(
            min_peaks=preset.min_peaks if self.min_peaks is None else self.min_peaks,
            min_snr=preset.min_snr if own.min_snr is None else own.min_snr,
            min_pixels=preset.min_pixels if own.min_pixels is None else own.min_pixels,
        )

    @property
    def of_peaks(self) -> dict[str, Any]:
        """Parameters on which the peaks of peakfinder8 depend, as JSON data."""
        limits = {"min_snr": self.effective.min_snr, "min_pixels": self.effective.min_pixels}
        return self.peakfinder8.model_dump(mode="json") | limits
