"""Thresholds: the strong pixels of an image, by four algorithms.

threshold : the interface `Threshold`, and the choice by parameters.
parameters : `ThresholdParameters`.
dispersion : DIALS's `dispersion` and `dispersion_extended`. Their kernels, in the order of use:
    windows : sums over a sliding window; wide_windows : the same in 64 bits.
    overdispersion : windows that hold signal; real_dispersion : the same for real numbers.
    erosion : erosion of the signal.
    local_background : signal above the background around it.
    global_threshold : the automatic global threshold.
radial_profile : pixels above the background of their ring of resolution, with
    blur, rings, ring_statistics : blurred image, rings, and median and quartiles of each.
ideal_spot : pixels of spots that correlate with an ideal one ("helen"); blobs : its kernels.
marked_pixels : lists of marked pixels, with their coordinates and values.
"""

from typing import TYPE_CHECKING

from dxdask.on_demand import on_demand

if TYPE_CHECKING:
    from dxdask.spotfinding.thresholds.rings import Region
    from dxdask.spotfinding.thresholds.threshold import Threshold, is_of_one_panel, threshold_of

__all__ = ["Region", "Threshold", "is_of_one_panel", "threshold_of"]

on_demand(
    __name__,
    Region="rings",
    Threshold="threshold",
    is_of_one_panel="threshold",
    threshold_of="threshold",
)
