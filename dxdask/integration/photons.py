"""Photons of pixels: (counts - pedestal) / gain, by panel or by pixel.

Counts that are photons are added up as they are. Others are rounded to parts of a photon, as
integers, so that sums are exact in any order of the frames. Trusted ranges are of counts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models import Detector
from dxdask.models.pixel_maps import PixelMaps, require_maps_of
from dxdask.response import DetectorResponse

PARTS = 1024
"""Parts of a photon in which the values of pixels are added up, where counts are not photons."""
_LARGEST_COUNT = 2.0**62
_LARGEST_TRUSTED = 2.0**52  # of a response, exact as float64
_LARGEST_VALUE = 2.0**41  # of a pixel, in parts of a photon: products with profiles fit 64 bits


class Photons(NamedTuple):
    """Conversion of the counts of a run to photons.

    trusted : (panel, 2), counts strictly between the two are valid, those from the upper end on
    saturated. gain, pedestal : (panel,), counts. maps : of single pixels. response : of the
    detector, by which its counts are made photons first; `trusted` is of the photons then.
    """

    trusted: Floats
    gain: Floats
    pedestal: Floats
    maps: PixelMaps
    response: DetectorResponse | None = None

    def scaled(self, dtype: np.dtype[Any]) -> ScaledPixels | None:
        """Return the conversion of frames of this dtype; None where counts are photons."""
        plain = not self.maps.are_given and (self.gain == 1).all() and (self.pedestal == 0).all()
        return None if plain and dtype.kind in "iu" else self.pixels

    @property
    def pixels(self) -> ScaledPixels:
        """The conversion of each pixel."""
        gain_map, pedestal_map = (
            np.empty((0, 0), np.float64) if m is None else m for m in self.maps
        )
        return ScaledPixels(self.gain, self.pedestal, gain_map, pedestal_map)

    def limits(self, scaled: ScaledPixels | None) -> NDArray[Any]:
        """Return the trusted ranges (panel, 2), as integers where counts are photons.

        The same integers are strictly between the two.
        """
        if scaled is not None:
            return self.trusted
        low, high = np.clip(self.trusted, -_LARGEST_COUNT, _LARGEST_COUNT).T
        return np.stack([np.floor(low), np.ceil(high)], axis=1).astype(np.int64)


class ScaledPixels(NamedTuple):
    """Arguments of `parts_of_photon`: gain, pedestal (panel,), and maps, empty without one."""

    gain: Floats
    pedestal: Floats
    gain_map: Floats
    pedestal_map: Floats


def photons_of(
    detector: Detector,
    maps: PixelMaps | None = None,
    response: DetectorResponse | None = None,
) -> Photons:
    """Return the conversion of the counts of a detector to photons.

    A panel with a gain of 0 or less has none: its counts are photons (as in dxtbx).

    Raises
    ------
    InputError
        A map does not hold the panels, or has gains that cannot be.
    """
    maps = maps or PixelMaps()
    require_maps_of(detector, maps)
    panels = detector.panels
    gain = np.array([p.gain for p in panels], np.float64)
    trusted = np.array([p.trusted_range for p in panels], np.float64).reshape(-1, 2)
    is_plain = not maps.are_given and all(p.gain in (0.0, 1.0) and not p.pedestal for p in panels)
    if response is not None and is_plain:
        # strictly between the limits are the same pixels
        high = np.clip(np.ceil(trusted[:, 1]), 0.0, _LARGEST_TRUSTED)
        trusted[:, 1] = response.photons(high - 1.0) + 1
    return Photons(
        trusted=trusted,
        gain=np.where(gain > 0.0, gain, 1.0),
        pedestal=np.array([p.pedestal for p in panels], np.float64),
        response=response if is_plain else None,
        maps=PixelMaps(*(None if m is None else np.ascontiguousarray(m, np.float64) for m in maps)),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def photons_of_pixel(count: Any, p: int, y: int, x: int, pixels: Any) -> Any:
    """Return the photons of a pixel of panel p at (y, x) of the frame.

    count : float64. pixels : `ScaledPixels`.
    """
    gain, pedestal = pixels.gain[p], pixels.pedestal[p]
    if pixels.gain_map.size > 0:
        gain = pixels.gain_map[y, x]
    if pixels.pedestal_map.size > 0:
        pedestal = pixels.pedestal_map[y, x]
    return (count - pedestal) / gain


@njit(cache=True, nogil=True, error_model="numpy")
def parts_of_photon(count: Any, p: int, y: int, x: int, pixels: Any) -> Any:
    """Return the same in whole parts, `PARTS` a photon, int64."""
    value = np.rint(photons_of_pixel(count, p, y, x, pixels) * PARTS)
    return np.int64(min(max(value, -_LARGEST_VALUE), _LARGEST_VALUE))
