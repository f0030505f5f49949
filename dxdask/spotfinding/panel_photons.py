"""Images of one panel in photons: (counts - pedestal) / gain, of the panel or of each pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.models import Panel
from dxdask.models.pixel_maps import PixelMaps

_WIDENED = {np.dtype(t) for t in (np.uint8, np.int8, np.uint16, np.int16)}


class PanelPhotons:
    """Conversion of images of one panel, as recorded, to photons.

    Counts without gain and pedestal stay as they are; small integers with a whole pedestal alone
    become int32; others float64.

    Attributes
    ----------
    dtype : of the photons of counts of the dtype given.
    by_pixel : True if pixels have gains or pedestals of their own.
    """

    def __init__(self, panel: Panel, dtype: np.dtype[Any], maps: PixelMaps | None = None) -> None:
        maps = maps or PixelMaps()
        # a panel of gain 0 has none, as in dxtbx
        self.gain: Any = float(panel.gain) if panel.gain > 0.0 else 1.0
        self.pedestal: Any = float(panel.pedestal)
        self.by_pixel = maps.are_given
        if maps.gain is not None:
            self.gain = np.asarray(maps.gain[panel.slices], np.float64)
        if maps.pedestal is not None:
            self.pedestal = np.asarray(maps.pedestal[panel.slices], np.float64)
        self._plain = not self.by_pixel and self.gain == 1.0 and self.pedestal == 0.0
        self._whole = (
            not self.by_pixel
            and self.gain == 1.0
            and self.pedestal == np.rint(self.pedestal)
            and abs(self.pedestal) < 2**24
            and np.dtype(dtype) in _WIDENED
        )
        self.dtype = np.dtype(dtype)
        if not self._plain:
            self.dtype = np.dtype(np.int32 if self._whole else np.float64)

    def of(self, counts: NDArray[Any]) -> NDArray[Any]:
        """Return the photons of an image of the panel (slow, fast), or of several (n, ...)."""
        if self._plain:
            return counts
        if self._whole:
            return counts.astype(np.int32) - np.int32(self.pedestal)
        return np.asarray((counts - self.pedestal) / self.gain, np.float64)

    def at(
        self, counts: NDArray[Any], x: NDArray[np.int32], y: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        """Return the photons (n,) of some pixels of an image of the panel."""
        gain, pedestal = (v[y, x] if np.ndim(v) else v for v in (self.gain, self.pedestal))
        return np.asarray((counts[y, x].astype(np.float64) - pedestal) / gain)

    def of_range(self, counts: tuple[float, float]) -> tuple[float, float]:
        """Return the photons of two counts, where all pixels have the same gain and pedestal."""
        low, high = ((float(c) - self.pedestal) / self.gain for c in counts)
        return low, high
