"""Parameters of hit finding."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from dxdask.parameters import Parameters, parameter


class Preset(NamedTuple):
    """What is asked of peaks and of events."""

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

    threshold: float = parameter(0.0, "pixels of peaks are higher than this", unit="ADU")
    min_snr: float | None = parameter(
        None, "signal of a pixel over the noise of its ring, and of a peak over that around it; "
        "default by the preset: 4, 5 or 8", gt=0.0,
    )  # fmt: skip
    min_pixels: int | None = parameter(
        None, "fewest pixels of a peak; default by the preset: 2, 2 or 3", ge=1
    )
    max_pixels: int = parameter(200, "most pixels of a peak", ge=1)
    local_bg_radius: int = parameter(
        3, "half the radius of the surroundings of a peak", unit="px", ge=1, le=50
    )
    max_peaks: int = parameter(2048, "most peaks on a panel", expert=1, ge=1, le=100_000)
    ring_pixels: int = parameter(
        500, "pixels that the background of a ring is measured on at most", expert=1, ge=10
    )


class HitParameters(Parameters):
    """Which events are taken for hits."""

    method: Literal["spots", "peakfinder8"] = parameter(
        "spots", "what is counted: the spots of find_spots, or the peaks of peakfinder8"
    )
    preset: Literal["permissive", "default", "restrictive"] = parameter(
        "default", "how much is asked of a hit and its peaks, where that is not given apart"
    )
    min_peaks: int | None = parameter(
        None, "fewest spots of a hit; default by the preset: 10, 16 or 25", ge=1
    )
    d_min: float | None = parameter(
        None, "finest resolution of spots that count", unit="Angstrom", gt=0.0
    )
    d_max: float | None = parameter(
        None, "coarsest resolution of spots that count", unit="Angstrom", gt=0.0
    )
    peakfinder8: Peakfinder8Parameters = Peakfinder8Parameters()

    @property
    def asked(self) -> Preset:
        """What is asked, the preset's values in place of those not given."""
        preset, own = PRESETS[self.preset], self.peakfinder8
        return Preset(
            min_peaks=preset.min_peaks if self.min_peaks is None else self.min_peaks,
            min_snr=preset.min_snr if own.min_snr is None else own.min_snr,
            min_pixels=preset.min_pixels if own.min_pixels is None else own.min_pixels,
        )

    @property
    def of_peaks(self) -> dict[str, Any]:
        """All that the peaks of peakfinder8 depend on, as JSON holds it."""
        asked = {"min_snr": self.asked.min_snr, "min_pixels": self.asked.min_pixels}
        return self.peakfinder8.model_dump(mode="json") | asked
