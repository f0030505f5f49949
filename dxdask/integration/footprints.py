"""Background around reflections pixel by pixel, added up over their images, in integers.

A background that varies in the box of a reflection is fitted to the sum of the images: a plane or a
ring of ice is the same on all of them. A reflection of n pixels takes 20 n bytes however many
images it is on (24 with its shape; 40 more where the background may vary along the rotation), and
only until it has all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.integration.ragged import entries_of, offsets_of
from dxdask.integration.rotation_sums import (
    RotationSums,
    add_equal_rotation,
    concatenate_rotation,
    empty_rotation,
    select_rotation,
    without_rotation,
)

if TYPE_CHECKING:
    from dxdask.integration.boxes import Ellipsoids

N_GEOMETRY = 6
_Pixels: TypeAlias = tuple[
    NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]
]


class Footprints(NamedTuple):
    """Pixels of the boxes of n reflections, added up over their images.

    Those of reflection i, along x, then y, are at [offsets[i], offsets[i + 1]); none where they are
    not kept. Of two parts of a reflection's images the sums add up.

    geometry: (n, 6), x and y of the corner from the place of the reflection, width of the box (px),
    the direction of Kabsch's e1 in x and y, and the half size of the box (px). offsets: (n + 1,)
    int64. counts: (m,) int64, sum of the values of background pixels. background:
    (m,) int32, how many these are. foreground: (m,) int32, how many pixels are of the summed
    foreground. profile: (m,) int32, sum of the weights of the fitted profile in usable pixels.
    shape: (m,) float32, background of the run in these pixels; 1 where it has no model.
    rotation: sums by image; None unless the background may vary along the rotation.
    """

    geometry: Floats
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]
    background: NDArray[np.int32]
    foreground: NDArray[np.int32]
    profile: NDArray[np.int32]
    shape: NDArray[np.float32]
    rotation: RotationSums | None = None

    @property
    def pixels(self) -> _Pixels:
        """The sums over pixels."""
        return self.counts, self.background, self.foreground, self.profile


def no_footprints(n: int) -> Footprints:
    """Return those of n reflections of which no pixels are kept."""
    return _empty(np.zeros((n, N_GEOMETRY)), np.zeros(n, dtype=np.int64))


def empty_footprints(
    rows: NDArray[np.int64],
    shapes: Ellipsoids,
    model: NDArray[np.float32] | None = None,
    *,
    along_rotation: bool = False,
) -> Footprints:
    """Return those of reflections before their first image.

    model : (slow, fast), background of the run. along_rotation : with sums by image.
    """
    box = shapes.box[rows].astype(np.float64)
    corner = box[:, [0, 2]] - shapes.centre[rows, :2]
    size = box[:, [1, 3]] - box[:, [0, 2]]
    along = shapes.profile.along[rows]
    along = along / np.linalg.norm(along, axis=1, keepdims=True)
    geometry = np.column_stack([corner, size[:, 0], along, 0.5 * size.max(axis=1)])
    out = _empty(geometry, np.prod(size, axis=1).astype(np.int64))
    if model is not None:
        _fill_shape(shapes.box[rows], model, out.offsets, out.shape)
    if along_rotation:
        depths = (box[:, 5] - box[:, 4]).astype(np.int64)
        return out._replace(rotation=empty_rotation(depths, int(out.offsets[-1])))
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_shape(box: Any, model: Any, offsets: Any, shape: Any) -> None:
    """Fill shape (m,) with the values of the model (slow, fast) in boxes (n, 6)."""
    for i in range(len(box)):
        x0, x1, y0, y1 = box[i, 0], box[i, 1], box[i, 2], box[i, 3]
        for y in range(max(y0, 0), min(y1, model.shape[0])):
            for x in range(max(x0, 0), min(x1, model.shape[1])):
                shape[offsets[i] + (y - y0) * (x1 - x0) + x - x0] = model[y, x]


def _empty(geometry: Floats, lengths: NDArray[np.int64]) -> Footprints:
    offsets = offsets_of(lengths)
    m = int(offsets[-1])
    return Footprints(
        geometry=geometry,
        offsets=offsets,
        counts=np.zeros(m, dtype=np.int64),
        background=np.zeros(m, dtype=np.int32),
        foreground=np.zeros(m, dtype=np.int32),
        profile=np.zeros(m, dtype=np.int32),
        shape=np.ones(m, dtype=np.float32),
    )


def select_footprints(f: Footprints, order: NDArray[np.int64]) -> Footprints:
    """Return those at places `order` (k,)."""
    offsets, at = entries_of(f.offsets, order)
    return Footprints(
        geometry=f.geometry[order],
        offsets=offsets,
        counts=f.counts[at],
        background=f.background[at],
        foreground=f.foreground[at],
        profile=f.profile[at],
        shape=f.shape[at],
        rotation=select_rotation(f.rotation, order, at),
    )


def concatenate_footprints(parts: Sequence[Footprints]) -> Footprints:
    """Return the footprints one below the other."""
    lengths = np.concatenate([np.diff(p.offsets) for p in parts])
    return Footprints(
        geometry=np.concatenate([p.geometry for p in parts]),
        offsets=offsets_of(lengths),
        counts=np.concatenate([p.counts for p in parts]),
        background=np.concatenate([p.background for p in parts]),
        foreground=np.concatenate([p.foreground for p in parts]),
        profile=np.concatenate([p.profile for p in parts]),
        shape=np.concatenate([p.shape for p in parts]),
        rotation=concatenate_rotation([p.rotation for p in parts]),
    )


def add_equal_footprints(
    f: Footprints, first: NDArray[np.int64], place: NDArray[np.int64]
) -> Footprints:
    """Return the sums of the footprints of each reflection.

    first : (k,), one place of each reflection. place : (n,), the reflection of each place.
    """
    lengths = np.diff(f.offsets)
    out = _empty(f.geometry[first], lengths[first])
    _, at = entries_of(out.offsets, place)
    np.add.at(out.counts, at, f.counts)
    np.add.at(out.background, at, f.background)
    np.add.at(out.foreground, at, f.foreground)
    np.add.at(out.profile, at, f.profile)
    out.shape[at] = f.shape
    return out._replace(
        rotation=add_equal_rotation(f.rotation, first, place, at, int(out.offsets[-1]))
    )


def without_pixels(f: Footprints, rows: NDArray[np.bool_]) -> Footprints:
    """Return the footprints without the pixels of the reflections `rows` (n,)."""
    lengths = np.diff(f.offsets)
    kept = np.repeat(~rows, lengths)
    return Footprints(
        f.geometry,
        offsets_of(np.where(rows, 0, lengths)),
        f.counts[kept],
        f.background[kept],
        f.foreground[kept],
        f.profile[kept],
        f.shape[kept],
        without_rotation(f.rotation, rows, kept),
    )
