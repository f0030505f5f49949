"""Evidence on each pixel of a panel: counts accumulated image by image.

`combine_panel_evidence` of disjoint sets of images is the evidence of them all. It consists of sums
of integers, so it depends neither on the blocks nor on their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.analysis.images import fixed_point, trusted_counts
from dxdask.arrays import Mask
from dxdask.models import Beam, Panel
from dxdask.spotfinding.thresholds import threshold_of
from dxdask.spotfinding.thresholds.parameters import ThresholdParameters

# values of `constant`: no trusted count yet; more than one. Counts are clipped to int32.
NEVER = int(np.iinfo(np.int32).min)
VARIES = NEVER + 1
_CUT = int(np.iinfo(np.int32).max)
PARTS = 256
"""Parts of a floating count that evidence counts: floating frames are rounded to them."""


class PanelEvidence(NamedTuple):
    """Evidence of images on the pixels (slow, fast) of a panel.

    Attributes
    ----------
    n_images : number of images used.
    counts : (3, slow, fast) uint16, or uint32 for more images: numbers of images in which the pixel
        is good and its count trusted; of those, in which it is strong; and in which it is brighter
        than each of its eight neighbours.
    total : sum of the trusted counts, int64, in units of 1 / parts.
    constant : its count if it is always the same, int32, likewise; else NEVER or VARIES.
    parts : 1; of floating frames `PARTS`.
    """

    n_images: int
    counts: NDArray[Any]
    total: NDArray[np.int64]
    constant: NDArray[np.int32]
    parts: int = 1

    @property
    def n_used(self) -> NDArray[Any]:
        """Images (slow, fast) in which the pixel is good and its count trusted."""
        return np.asarray(self.counts[0])

    @property
    def n_strong(self) -> NDArray[Any]:
        """Of those, in which it is strong."""
        return np.asarray(self.counts[1])

    @property
    def n_high(self) -> NDArray[Any]:
        """Of those, in which it is brighter than each of its neighbours."""
        return np.asarray(self.counts[2])


class EvidenceOfPanel:
    """Accumulates the evidence of one panel, image by image.

    Parameters
    ----------
    panel, beam, parameters : for the threshold of strong pixels.
    good : (slow, fast), True is good.
    dtype : of the frames, integers or floating.
    n_most : largest number of images.
    """

    def __init__(
        self,
        panel: Panel,
        beam: Beam,
        good: Mask,
        dtype: np.dtype[Any],
        parameters: ThresholdParameters,
        n_most: int,
    ) -> None:
        kind = _count_type(n_most)
        self._panel, self._good, self._n_images = panel, good, 0
        of_image = np.dtype(np.float64) if panel.pedestal else dtype
        self._threshold = threshold_of(panel, beam, of_image, parameters, gain=panel.gain)
        low, high = panel.trusted_range
        self._trusted = low - panel.pedestal, high - panel.pedestal
        self._parts = PARTS if dtype.kind == "f" else 1
        self._limits = np.array(trusted_counts(panel), np.int64)
        self._counts = np.zeros((3, *good.shape), kind)
        self._total = np.zeros(good.shape, np.int64)
        self._constant = np.full(good.shape, NEVER, np.int32)
        # with an edge that is never brighter than a pixel
        self._work = np.full((good.shape[0] + 2, good.shape[1] + 2), NEVER, np.int32)

    def add(self, frame: NDArray[Any]) -> bool:
        """Add a stored frame (slow, fast); return True if any pixel on the panel is trusted."""
        image = np.ascontiguousarray(frame[self._panel.slices])
        whole, good = image, self._good
        limits = self._limits
        if self._parts > 1:
            whole, good = fixed_point(image, good, trusted_counts(self._panel), self._parts)
            limits = np.array([-(2**62), 2**62], np.int64)
        if not _usable(whole, good, limits, self._work):
            return False
        pedestal = self._panel.pedestal
        strong = self._threshold(
            image - np.float64(pedestal) if pedestal else image, good, self._trusted
        )
        _add(whole, strong, self._work, self._counts, self._total, self._constant)
        self._n_images += 1
        return True

    def result(self) -> PanelEvidence:
        """Return the evidence of the frames added."""
        return PanelEvidence(self._n_images, self._counts, self._total, self._constant, self._parts)


def combine_panel_evidence(parts: Sequence[PanelEvidence]) -> PanelEvidence:
    """Return the evidence of all images of disjoint sets; associative, in any order."""
    n_images = sum(p.n_images for p in parts)
    kind = _count_type(n_images)
    counts = np.zeros(parts[0].counts.shape, kind)
    total = np.zeros(counts.shape[1:], np.int64)
    constant = np.full(total.shape, NEVER, np.int32)
    finest = max(p.parts for p in parts)
    for part in parts:
        counts += part.counts
        factor = finest // part.parts
        # without a temporary array where the units are the same
        total += part.total if factor == 1 else part.total * factor
        _join_constants(_finer(part.constant, factor), constant)
    return PanelEvidence(n_images, counts, total, constant, finest)


def _finer(constant: NDArray[np.int32], factor: int) -> NDArray[np.int32]:
    """Return constants of frames of integers in the unit of floating ones, smaller by a factor."""
    if factor == 1:
        return constant
    scaled = np.clip(constant.astype(np.int64) * factor, VARIES + 1, _CUT).astype(np.int32)
    return np.where(constant > VARIES, scaled, constant)


def _count_type(n_images: int) -> np.dtype[Any]:
    return np.dtype(np.uint16 if n_images <= np.iinfo(np.uint16).max else np.uint32)


@njit(cache=True, nogil=True, error_model="numpy")
def _usable(image: Any, good: Any, limits: Any, work: Any) -> bool:
    """Copy the trusted counts of good pixels, NEVER for others; return True if there are any."""
    found = False
    for j in range(image.shape[0]):
        row = work[j + 1, 1:-1]
        for i in range(image.shape[1]):
            v = np.int64(image[j, i])
            use = good[j, i] & (v >= limits[0]) & (v <= limits[1])
            row[i] = min(max(v, VARIES + 1), _CUT) if use else NEVER
            found |= use
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _add(
    image: Any,
    strong: Any,
    work: Any,
    counts: Any,
    total: Any,
    constant: Any,
) -> None:
    height, width = image.shape
    n_used, n_strong, n_high = counts[0], counts[1], counts[2]
    for j in range(height):
        above, row, below = work[j], work[j + 1], work[j + 2]
        for i in range(width):
            w = row[i + 1]
            used = w != NEVER
            brightest = max(row[i], row[i + 2], above[i + 1], below[i + 1])
            corners = max(above[i], above[i + 2], below[i], below[i + 2])
            n_used[j, i] += used
            n_strong[j, i] += used & strong[j, i]
            n_high[j, i] += (w > brightest) & (w > corners)
            total[j, i] += np.int64(image[j, i]) if used else np.int64(0)
            c = constant[j, i]
            joined = w if c == NEVER else (c if c == w else np.int32(VARIES))
            constant[j, i] = joined if used else c


@njit(cache=True, nogil=True, error_model="numpy")
def _join_constants(part: Any, constant: Any) -> None:
    for j in range(constant.shape[0]):
        for i in range(constant.shape[1]):
            a, b = constant[j, i], part[j, i]
            joined = a if (a == b) | (b == NEVER) else np.int32(VARIES)
            constant[j, i] = b if a == NEVER else joined
