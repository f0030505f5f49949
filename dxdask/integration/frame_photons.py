"""Frames of a run in photons, by response and dead time, for every pass of integration."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.integration.context import IntegrationContext
from dxdask.integration.dead_time import frame_without_dead_time
from dxdask.integration.photons import ScaledPixels
from dxdask.response import frame_in_photons


class FramePhotons(NamedTuple):
    """Conversion of the frames of a run of one dtype.

    Attributes
    ----------
    context : of the run.
    pixels : gain and pedestal that are still to be applied; None where values are photons.
    recorded_range : (panel, 2), trusted range of frames before the dead time is corrected.
    """

    context: IntegrationContext
    pixels: ScaledPixels | None
    recorded_range: NDArray[Any]

    @classmethod
    def of(cls, context: IntegrationContext, dtype: np.dtype[Any]) -> FramePhotons:
        """Return the conversion of frames of this dtype."""
        # photons that are restored for the dead time are not whole
        whole = context.dead_time is None
        pixels = context.photons.scaled(dtype if whole else np.dtype(np.float64))
        return cls(context, pixels, context.photons.limits(pixels))

    def frame(self, recorded: NDArray[Any], z: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the frame (slow, fast) of image z, and its trusted range (panel, 2)."""
        if recorded.dtype == np.float16:  # no kernel takes them
            recorded = recorded.astype(np.float32)
        frame = frame_in_photons(recorded, self.context.photons.response)
        dead = self.context.dead_time
        if dead is None:
            return frame, self.recorded_range
        image = z - self.context.shapes.first
        return frame_without_dead_time(frame, self.recorded_range, dead, image)
