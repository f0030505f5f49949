"""Evidence for bad pixels, from the images that spots are found on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.models import Experiment, Panel
from dxdask.spotfinding.panel_pixels import Found, trusted_range
from dxdask.spotfinding.parameters import SpotfinderParameters
from dxdask.spotfinding.sharp_pixels import (
    Sharp,
    combine_sharp,
    sharp_on_image,
    sharp_on_images,
)
from dxdask.spotfinding.unlit_pixels import Light, LightOfPanel, combine_light, light_of

SEGMENT_DEG = 2.0
"""Rotation over which a reflection may stay on one pixel, where the axis is perpendicular."""


class PixelEvidence(NamedTuple):
    """Sharp pixels and light of the images of a run."""

    sharp: Sharp
    light: Light


def combine_evidence(parts: Sequence[PixelEvidence | None]) -> PixelEvidence | None:
    """Return the evidence of all parts, which are consecutive; None without any."""
    found = [p for p in parts if p is not None]
    if not found:
        return None
    return PixelEvidence(
        combine_sharp([p.sharp for p in found]), combine_light([p.light for p in found])
    )


def segment_length(experiment: Experiment) -> int:
    """Return the number of images that a reflection may stay on one pixel: 1 for stills."""
    scan = experiment.scan
    if scan is None or scan.is_still:
        return 1
    return max(1, math.ceil(SEGMENT_DEG / abs(scan.oscillation[1]) - 1e-9))


class EvidenceOfBlock:
    """Accumulates the evidence of consecutive images.

    Parameters
    ----------
    experiment : of the run. masks : one (slow, fast) a panel, True is good.
    """

    def __init__(
        self, experiment: Experiment, masks: Sequence[Mask], parameters: SpotfinderParameters
    ) -> None:
        self._panels, self._masks = experiment.detector.panels, masks
        self._length = segment_length(experiment)
        self._limits = [_limits(panel, parameters) for panel in self._panels]
        self._light = [
            LightOfPanel(mask, limits, float(panel.pedestal))
            for mask, limits, panel in zip(masks, self._limits, self._panels, strict=True)
        ]
        sizes = [mask.size for mask in masks]
        self._first_key = np.cumsum([0, *sizes])
        self._listed: list[list[NDArray[Any]]] = [[np.empty(0, np.int64)] for _ in range(4)]

    def add(self, frame: NDArray[Any], z: int, strong: Sequence[Found]) -> None:
        """Add a stored frame (slow, fast) with the strong pixels of each panel."""
        for p, panel in enumerate(self._panels):
            image, (x, y, _) = frame[panel.slices], strong[p]
            self._light[p].add(image)
            which, peak, halo = sharp_on_image(
                image, self._masks[p], self._limits[p], x, y,
                pedestal=float(panel.pedestal), gain=float(panel.gain),
            )  # fmt: skip
            key = self._first_key[p] + y[which].astype(np.int64) * image.shape[1] + x[which]
            segment = np.full(which.size, z // self._length, np.int64)
            for column, values in zip(self._listed, (key, segment, peak, halo), strict=True):
                column.append(values)

    def result(self) -> PixelEvidence:
        """Return the evidence of the frames added."""
        columns = (np.concatenate(column) for column in self._listed)
        return PixelEvidence(sharp_on_images(*columns), light_of(self._light))


def _limits(panel: Panel, parameters: SpotfinderParameters) -> tuple[float, float]:
    """Return the open interval of counts that are used."""
    low, high = trusted_range(panel, parameters) or (-math.inf, math.inf)
    return float(low), float(high)  # integers of 64 bits are not numbers of a kernel
