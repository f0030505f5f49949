"""Pictures of frames: panels at their positions in the laboratory, spots and predictions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from dxdask.arrays import Floats, Integers
from dxdask.models import Detector, Panel
from dxdask.models.vectors import unit
from dxdask.storage.exporters.whole_file import whole_file

LARGEST_SIDE = 8192
GAP, MASKED, OVERLOADED = (205, 215, 230), (235, 215, 195), (240, 200, 0)
SPOT, PREDICTION = (220, 0, 0), (0, 70, 220)
_ADJUST = 0.4


@dataclass(frozen=True)
class Canvas:
    """Pixels of a stored frame for each pixel of a picture.

    Attributes
    ----------
    pixel : (height, width) index of the pixel in the frame, flattened; -1 between panels.
    axes : (2, 3) unit vectors to the right and up.
    corner : (2,) the upper left corner along them, mm.
    size : of a pixel of the picture, mm.
    """

    pixel: Integers
    axes: Floats
    corner: Floats
    size: float

    def place(self, detector: Detector, panel: Integers, x: Floats, y: Floats) -> Integers:
        """Return column and row (n, 2) in the picture of positions in panels, px."""
        at = np.zeros((len(panel), 2))
        for i, own in enumerate(detector.panels):
            mine = panel == i
            mm = np.stack([x[mine], y[mine]], axis=1) * own.pixel_size
            at[mine] = own.lab_coordinates(mm) @ self.axes.T
        return np.floor((at - self.corner) / self.size * (1, -1)).astype(np.int64)


def canvas(detector: Detector, shape: tuple[int, int]) -> Canvas:
    """Return the picture of a detector seen from the sample, x to the right and y up.

    It is projected along the mean of the panels' normals, with the smallest pixel as unit unless a
    side would have more than `LARGEST_SIDE` of them. shape : (slow, fast) of the frame.
    """
    normal = unit(np.sum([p.normal for p in detector.panels], axis=0))
    start = np.array([1.0, 0.0, 0.0]) if abs(normal[0]) < 0.9 else np.array([0.0, 0.0, 1.0])
    right = unit(start - (start @ normal) * normal)
    up = np.cross(normal, right)
    axes = np.stack([right, up if up[1] >= 0 else -up])
    corners = np.concatenate(
        [p.lab_coordinates(np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * _mm(p)) @ axes.T
         for p in detector.panels]
    )  # fmt: skip
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = min(min(p.pixel_size) for p in detector.panels)
    size = max(size, float((high - low).max()) / LARGEST_SIDE)
    width, height = np.ceil((high - low) / size - 1e-6).astype(int).tolist()
    corner = np.array([low[0], high[1]])
    pixel = np.full((height, width), -1, np.int64)
    for panel in detector.panels:
        _fill(pixel, corners[:4], panel.image_size, panel.offset, shape[1], corner, size)
        corners = corners[4:]
    return Canvas(pixel, axes, corner, size)


def _mm(panel: Panel) -> Floats:
    return np.multiply(panel.image_size, panel.pixel_size)


def _fill(
    pixel: Integers, corners: Floats, image_size: tuple[int, int], offset: tuple[int, int],
    stride: int, corner: Floats, size: float,
) -> None:  # fmt: skip
    """Put a panel, of which `corners` (4, 2) are 00, 10, 01, 11, into the picture."""
    within = (corners - corner) / size * (1, -1)
    first = np.maximum(np.floor(within.min(axis=0)).astype(int), 0)
    last = np.minimum(np.ceil(within.max(axis=0)).astype(int), pixel.shape[::-1])
    column, row = np.meshgrid(*(np.arange(a, b) + 0.5 for a, b in zip(first, last, strict=True)))
    along = np.stack([within[1] - within[0], within[2] - within[0]], axis=1)
    if abs(np.linalg.det(along)) < 1.0:
        return  # seen from its edge
    away = np.stack([column - within[0, 0], row - within[0, 1]])
    share = np.einsum("ij,jrc->irc", np.linalg.inv(along), away)
    fast, slow = (np.floor(share[k] * image_size[k]).astype(np.int64) for k in (0, 1))
    inside = (fast >= 0) & (fast < image_size[0]) & (slow >= 0) & (slow < image_size[1])
    place = (slow + offset[1]) * stride + fast + offset[0]
    part = pixel[first[1] : last[1], first[0] : last[0]]
    part[inside] = place[inside]


def picture(
    frame: NDArray[np.generic],
    mask: NDArray[np.bool_],
    where: Canvas,
    trusted_range: tuple[float, float],
    brightness: float,
) -> Image.Image:
    """Return the picture of a frame in three colours, darker for higher counts.

    As in DIALS's image viewer, darkness is proportional to the count, and `brightness` / 100 x 0.4
    at the 90th percentile of the pixels (`brightness` / 500 a count if that percentile is 0).

    mask : (slow, fast), True is good. trusted_range : of counts, both ends not trusted.
    """
    values = np.asarray(frame, dtype=np.float64).ravel()
    good = mask.ravel() & (values > trusted_range[0])
    some = values[good]
    at = min(int(0.9 * some.size), some.size - 1)
    level = float(np.partition(some, at)[at]) if some.size else 0.0
    per_count = brightness / 100.0 * (_ADJUST / level if level > 0 else 0.2)
    grey = np.where(good, np.clip(255.0 * (1.0 - values * per_count), 0.0, 255.0), 0.0)
    colours = np.repeat(grey.astype(np.uint8)[:, None], 3, axis=1)
    colours[~good] = MASKED
    colours[good & (values >= trusted_range[1])] = OVERLOADED
    out = colours[np.maximum(where.pixel, 0)]
    out[where.pixel < 0] = GAP
    return Image.fromarray(np.ascontiguousarray(out))


def draw_circles(
    image: Image.Image, centres: Integers, radius: int, colour: tuple[int, int, int]
) -> None:
    """Draw circles with these centres (n, 2), column and row, and this radius, px."""
    draw = ImageDraw.Draw(image)
    near = ((centres > -radius) & (centres < np.add(image.size, radius))).all(axis=1)
    for column, row in centres[near].tolist():
        box = (column - radius, row - radius, column + radius, row + radius)
        draw.ellipse(box, outline=colour)


def write_png(path: str | Path, image: Image.Image, title: str) -> None:
    """Write a PNG file with a title; the fast compression suits many pictures of frames."""
    text = PngInfo()
    text.add_text("Title", title)
    with whole_file(path) as aside:
        image.save(aside, format="png", pnginfo=text, compress_level=3)
