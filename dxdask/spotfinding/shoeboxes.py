"""All pixels of the bounding boxes of spots: cut out of frames, then put in order.

`combine_cuts` of the cuts of consecutive blocks is the cut of all their frames; `assemble` puts
every pixel in its place, so the result does not depend on the blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Integers, Mask
from dxdask.models import Detector
from dxdask.models.pixel_maps import PixelMaps
from dxdask.spotfinding.boxes import Boxes, overlapping, volumes
from dxdask.spotfinding.extract import Pixels
from dxdask.spotfinding.offsets import offsets_of
from dxdask.spotfinding.panel_photons import PanelPhotons
from dxdask.spotfinding.panel_pixels import trusted_range
from dxdask.spotfinding.parameters import SpotfinderParameters

VALID, BACKGROUND, FOREGROUND = 1, 2, 4
"""Bits of a shoebox's mask, those of DIALS's MaskCode."""
USABLE = VALID | BACKGROUND


class Cut(NamedTuple):
    """Segments of consecutive pixels that some frames hold of boxes, each of one box.

    Attributes
    ----------
    start, length : (k,) int64, first pixel of each segment among those of all boxes, and length.
    value : (m,) int32 or float32, counts, segment by segment.
    mask : (m,) uint8, `USABLE` where a pixel is valid, else 0.
    unread : z of a frame with boxes on it that could not be read -> reason.
    """

    start: Integers
    length: Integers
    value: NDArray[Any]
    mask: NDArray[np.uint8]
    unread: dict[int, str]


class Surroundings(NamedTuple):
    """Boxes with their pixels: value (m,) counts, mask (m,) uint8, at `boxes.offsets`.

    unread : z of a frame that could not be read -> reason; its pixels are 0 and not valid.
    """

    boxes: Boxes
    value: NDArray[Any]
    mask: NDArray[np.uint8]
    unread: dict[int, str]


def cut_boxes(
    frames: NDArray[Any],
    boxes: Boxes,
    detector: Detector,
    masks: Sequence[Mask],
    parameters: SpotfinderParameters,
    *,
    first_z: int,
    unread: Mapping[int, str] = MappingProxyType({}),
    maps: PixelMaps | None = None,
) -> Cut:
    """Return the pixels of boxes in consecutive frames (frame, slow, fast), the first at `first_z`.

    masks : one (slow, fast) per panel, True is good. unread : frame, from 0, that could not be
    read -> reason. maps : gain and pedestal of single pixels. Values are photons, as the threshold
    used them: int32 where they are whole numbers, clipped to its range; else float32.
    """
    here = overlapping(boxes, first_z, first_z + len(frames))
    panel, bbox = boxes.panel[here], boxes.bbox[here].astype(np.int64)
    x0, x1, y0, y1, z0, z1 = bbox.T
    low, high = np.maximum(z0, first_z), np.minimum(z1, first_z + len(frames))
    area = (x1 - x0) * (y1 - y0)
    length = (high - low) * area
    own = offsets_of(length)
    value = np.zeros(int(own[-1]), _kept_as(frames.dtype, detector, maps))
    mask = np.zeros(value.size, np.uint8)
    readable = np.array([f not in unread for f in range(len(frames))], np.bool_)
    for index in np.unique(panel).tolist():
        p = detector[index]
        photons = PanelPhotons(p, frames.dtype, maps)
        shape = p.image_size[::-1]
        _cut(
            frames[:, p.slices[0], p.slices[1]], masks[index], readable, first_z,
            trusted_range(p, parameters) or (-np.inf, np.inf),
            np.broadcast_to(photons.pedestal, shape), np.broadcast_to(photons.gain, shape),
            _limits(value.dtype),
            np.flatnonzero(panel == index), bbox, own, value, mask,
        )  # fmt: skip
    touched = {
        z: reason
        for z, reason in ((f + first_z, r) for f, r in unread.items())
        if ((low <= z) & (z < high)).any()
    }
    return Cut(boxes.offsets[here] + (low - z0) * area, length, value, mask, touched)


def combine_cuts(cuts: Sequence[Cut]) -> Cut:
    """Return the cut of the frames of several cuts."""
    if len(cuts) == 1:
        return cuts[0]
    start, length, value, mask, unread = zip(*cuts, strict=True)
    return Cut(
        np.concatenate(start),
        np.concatenate(length),
        np.concatenate(value),
        np.concatenate(mask),
        {z: reason for u in unread for z, reason in u.items()},
    )


def assemble(cut: Cut, boxes: Boxes) -> Surroundings:
    """Return the boxes with their pixels, in order of box, z, y, x."""
    value = np.zeros(int(boxes.offsets[-1]), cut.value.dtype)
    mask = np.zeros(value.size, np.uint8)
    _place(cut.start, cut.length, cut.value, cut.mask, value, mask)
    return Surroundings(boxes, value, mask, cut.unread)


def shoeboxes_of(
    around: Surroundings,
    which: NDArray[np.intp],
    bbox: NDArray[np.int32],
    pixels: Pixels,
    offsets: Integers,
) -> dict[str, NDArray[Any]]:
    """Return the shoeboxes of spots as arrays.

    Parameters
    ----------
    around : boxes at least as large as those of the spots.
    which : (n,) index of the box around each spot.
    bbox : (n, 6) of the spots themselves.
    pixels, offsets : their strong pixels, spot by spot.

    Returns
    -------
    dict
        shoebox_offsets (n + 1,) int64; shoebox_value (m,) counts and shoebox_mask (m,) uint8 of all
        pixels of each box, z by z, y by y, x fastest. Mask bits are DIALS's, 1 valid, 2 background,
        4 foreground: 5 is a strong pixel, 3 another valid one, 0 one that is not valid.
        (dials.find_spots keeps the strong pixels only, and writes 0 for count and mask elsewhere.)
    """
    new = offsets_of(volumes(bbox))
    value, mask = np.empty(int(new[-1]), around.value.dtype), np.empty(int(new[-1]), np.uint8)
    outer, start = around.boxes.bbox[which], around.boxes.offsets[which]
    _crop(outer, start, around.value, around.mask, bbox, new, value, mask)
    owner = np.repeat(np.arange(len(bbox)), np.diff(offsets))
    x0, x1, y0, y1, z0, _ = bbox[owner].astype(np.int64).T
    place = ((pixels.z - z0) * (y1 - y0) + pixels.y - y0) * (x1 - x0) + pixels.x - x0
    mask[new[owner] + place] = VALID | FOREGROUND
    return {"shoebox_offsets": new, "shoebox_value": value, "shoebox_mask": mask}


def _kept_as(dtype: np.dtype[Any], detector: Detector, maps: PixelMaps | None) -> np.dtype[Any]:
    kinds = {PanelPhotons(p, dtype, maps).dtype.kind for p in detector.panels}
    is_whole = kinds <= {"i", "u"}
    return np.dtype(np.int32 if is_whole else np.float32)


def _limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the smallest and the largest count that is not clipped."""
    if dtype.kind != "i":
        return -np.inf, np.inf
    return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)


@njit(cache=True, nogil=True, error_model="numpy")
def _cut(
    frames: Any, good: Any, readable: Any, first_z: Any, trusted: Any, pedestal: Any, gain: Any,
    limits: Any, which: Any, bbox: Any, own: Any, value: Any, mask: Any,
) -> None:  # fmt: skip
    """Copy the pixels of boxes `which`, all on the panel of the frames (frame, slow, fast).

    own : (boxes + 1,) first pixel of each box in `value` and `mask`.
    """
    for b in which:
        n = own[b]
        x0, x1, y0, y1 = bbox[b, 0], bbox[b, 1], bbox[b, 2], bbox[b, 3]
        first, stop = max(bbox[b, 4] - first_z, 0), min(bbox[b, 5] - first_z, frames.shape[0])
        for f in range(first, stop):
            if not readable[f]:
                n += (x1 - x0) * (y1 - y0)
                continue
            for y in range(y0, y1):
                for x in range(x0, x1):
                    count = frames[f, y, x]
                    # false for NaN
                    is_valid = good[y, x] and count > trusted[0] and count < trusted[1]
                    mask[n] = USABLE if is_valid else 0
                    v = (count - pedestal[y, x]) / gain[y, x]
                    if v < limits[0]:
                        v = limits[0]
                    elif v > limits[1]:
                        v = limits[1]
                    value[n] = v
                    n += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _place(start: Any, length: Any, cut_value: Any, cut_mask: Any, value: Any, mask: Any) -> None:
    n = 0
    for k in range(start.size):
        for i in range(start[k], start[k] + length[k]):
            value[i], mask[i] = cut_value[n], cut_mask[n]
            n += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _crop(
    outer: Any, start: Any, outer_value: Any, outer_mask: Any,
    inner: Any, offsets: Any, value: Any, mask: Any,
) -> None:  # fmt: skip
    """Copy the boxes `inner` out of boxes `outer` (n, 6), whose pixels begin at `start`."""
    for b in range(inner.shape[0]):
        n = offsets[b]
        width, height = outer[b, 1] - outer[b, 0], outer[b, 3] - outer[b, 2]
        for z in range(inner[b, 4], inner[b, 5]):
            for y in range(inner[b, 2], inner[b, 3]):
                row = start[b] + ((z - outer[b, 4]) * height + y - outer[b, 2]) * width
                for x in range(inner[b, 0], inner[b, 1]):
                    value[n] = outer_value[row + x - outer[b, 0]]
                    mask[n] = outer_mask[row + x - outer[b, 0]]
                    n += 1
