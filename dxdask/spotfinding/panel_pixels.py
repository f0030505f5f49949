"""Strong pixels of one panel, frame by frame, with one threshold and workspace for all frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.errors import InputError
from dxdask.models import Experiment, Panel
from dxdask.models.pixel_maps import PixelMaps
from dxdask.spotfinding.panel_photons import PanelPhotons
from dxdask.spotfinding.parameters import SpotfinderParameters
from dxdask.spotfinding.saturated import saturated_pixels
from dxdask.spotfinding.thresholds import Region, Threshold, is_of_one_panel, threshold_of
from dxdask.spotfinding.thresholds.marked_pixels import pixels_at

Found = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]


class PanelPixels:
    """One panel of the frames of a run: its valid pixels and its threshold.

    It holds a workspace: not for two threads at once.

    Parameters
    ----------
    panel : its model.
    mask : (slow, fast) of the panel, True is good.
    parameters : of the step.
    threshold : for the images of this panel, in photons, or of the region of interest on it.
    photons : conversion of the counts of this panel.
    """

    def __init__(
        self,
        panel: Panel,
        mask: Mask,
        parameters: SpotfinderParameters,
        threshold: Threshold,
        photons: PanelPhotons,
    ) -> None:
        self.n_pixels = panel.image_size[0] * panel.image_size[1]
        self._slices, self._photons = panel.slices, photons
        self._mask = np.ascontiguousarray(mask)
        self._trusted_counts = self._trusted = trusted_range(panel, parameters)
        if self._trusted is not None:
            self._trusted = None if photons.by_pixel else photons.of_range(self._trusted)
        self._threshold = threshold
        self._region = parameters.region_of_interest
        if self._region is not None:
            x0, x1, y0, y1 = self._region
            self._inside = slice(y0, y1), slice(x0, x1)

    def strong(self, frame: NDArray[Any]) -> Found:
        """Return x (fast), y (slow) and photons of the strong pixels of a stored frame, by row."""
        image, mask = self._image(frame)
        if self._region is None:
            image = np.ascontiguousarray(image)
            return pixels_at(self._threshold.list_strong(image, mask, self._trusted), image)
        image = np.ascontiguousarray(image[self._inside])
        mask = np.ascontiguousarray(mask[self._inside])
        index = self._threshold.list_strong(image, mask, self._trusted)
        x, y, value = pixels_at(index, image)
        x0, _, y0, _ = self._region
        return x + np.int32(x0), y + np.int32(y0), value

    def saturated(self, frame: NDArray[Any]) -> Found:
        """Return x, y and photons of the saturated pixels of a stored frame."""
        counts = frame[self._slices]
        high = np.inf if self._trusted_counts is None else self._trusted_counts[1]
        x, y = saturated_pixels(counts, self._mask, high)
        return x, y, self._photons.at(counts, x, y)

    def has_valid(self, frame: NDArray[Any]) -> bool:
        """Return True if a pixel of the panel in a stored frame is valid."""
        return self.sum_valid(frame)[0] > 0

    def sum_valid(self, frame: NDArray[Any]) -> tuple[int, float]:
        """Return number of the valid pixels and sum of their photons; that of integers is exact."""
        image, mask = self._image(frame)
        low, high = (-np.inf, np.inf) if self._trusted is None else self._trusted
        total = np.zeros(1, np.int64 if np.issubdtype(image.dtype, np.integer) else np.float64)
        n = _sum_valid(image, mask, low, high, total)
        return int(n), float(total[0])

    def _image(self, frame: NDArray[Any]) -> tuple[NDArray[Any], Mask]:
        """Return the photons of the panel, and which pixels may be used within `_trusted`."""
        counts = frame[self._slices]
        if not self._photons.by_pixel or self._trusted_counts is None:
            return self._photons.of(counts), self._mask
        low, high = self._trusted_counts
        return self._photons.of(counts), self._mask & (counts > low) & (counts < high)


def panel_pixels(
    experiment: Experiment,
    masks: Sequence[Mask],
    parameters: SpotfinderParameters,
    dtype: np.dtype[Any],
    maps: PixelMaps | None = None,
) -> tuple[PanelPixels, ...]:
    """Return one `PanelPixels` per panel for frames of `dtype`; equal panels share a threshold.

    masks : one (slow, fast) per panel, True is good. maps : gain and pedestal of single pixels, in
    place of the panels'.
    """
    thresholds: dict[Any, Threshold] = {}
    out = []
    region = parameters.region_of_interest
    own = is_of_one_panel(parameters.threshold)
    for i, panel in enumerate(experiment.detector.panels):
        require_inside(region, panel)
        photons = PanelPhotons(panel, dtype, maps)
        key = i if own else (panel.image_size, photons.dtype)
        if key not in thresholds:
            # one count, in photons
            quantum = 1.0 if panel.gain <= 0.0 else 1.0 / panel.gain
            thresholds[key] = threshold_of(
                panel, experiment.beam, photons.dtype, parameters.threshold,
                quantum=quantum, region=region,
            )  # fmt: skip
        out.append(PanelPixels(panel, masks[i], parameters, thresholds[key], photons))
    return tuple(out)


def trusted_range(panel: Panel, parameters: SpotfinderParameters) -> tuple[float, float] | None:
    """Return the open interval of counts that are used; None for all.

    `maximum_trusted_value` replaces the panel's upper limit, as in DIALS, also where
    `filter.use_trusted_range` is false.
    """
    low, high = panel.trusted_range if parameters.filter.use_trusted_range else (-np.inf, np.inf)
    if parameters.maximum_trusted_value is not None:
        high = parameters.maximum_trusted_value
    if low == -np.inf and high == np.inf:
        return None
    return low, high


def require_inside(region: Region | None, panel: Panel) -> None:
    """Check that a region of interest x0, x1, y0, y1 lies on the panel and is not empty.

    Raises
    ------
    InputError
        It is not on the panel, or empty.
    """
    if region is None:
        return
    x0, x1, y0, y1 = region
    width, height = panel.image_size
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise InputError(
            f"region_of_interest={x0},{x1},{y0},{y1} is not within panel {panel.name} of {width} "
            f"x {height} pixels (fast x slow); give x0,x1,y0,y1 with x0 < x1 and y0 < y1"
        )


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_valid(image: Any, mask: Any, low: Any, high: Any, total: Any) -> int:
    """Return number and sum of the good pixels strictly between `low` and `high`."""
    n = 0
    for j in range(image.shape[0]):
        sum_ = total.dtype.type(0)
        for i in range(image.shape[1]):
            value = image[j, i]
            # NaN is not between any two numbers
            valid = mask[j, i] & (low < value) & (value < high)
            n += valid
            sum_ += total.dtype.type(value) if valid else total.dtype.type(0)
        total[0] += sum_
    return n
