"""Gain and pedestal of single pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.models.detector import Detector


class PixelMaps(NamedTuple):
    """Values of single pixels of the stored frame (slow, fast) in place of their panels'.

    gain : counts per photon. pedestal : counts at no photon. None: the panels'.
    """

    gain: Floats | None = None
    pedestal: Floats | None = None

    @property
    def are_given(self) -> bool:
        """True if there is any map."""
        return self.gain is not None or self.pedestal is not None


def require_maps_of(detector: Detector, maps: PixelMaps, run: str = "the run") -> None:
    """Check that maps hold all panels, and hold values that can be.

    Raises
    ------
    InputError
        A map is too small; a gain is not finite and above 0, or a pedestal not finite.
    """
    for name, values in zip(PixelMaps._fields, maps, strict=True):
        if values is None:
            continue
        shape = np.shape(values)
        if len(shape) != 2:
            raise InputError(f"{name} map of {run} is {shape}; give (slow, fast)")
        detector.require_room(shape, f"{name} map of {run} is")
    gain, pedestal = maps
    if gain is not None and not (np.isfinite(gain) & (gain > 0.0)).all():
        raise InputError(
            f"gain map of {run} has values that are not finite or not above 0; give such pixels a "
            "gain of 1 and mask them"
        )
    if pedestal is not None and not np.isfinite(pedestal).all():
        raise InputError(
            f"pedestal map of {run} has values that are not finite; give such pixels 0 and mask "
            "them"
        )
