"""Background around reflections image by image, added up over their pixels, in integers.

A background that varies along the rotation is fitted to these sums and to those of the pixels over
the images (`footprints`). Not all pixels are background on all images, hence moments: of the places
of the pixels of each image, and of the images of each pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.integration.ragged import entries_of, offsets_of

# Columns of the sums of an image: of the values of background pixels, how many these are, how many
# pixels are of the summed foreground, the weights of the fitted profile in usable pixels, and sums
# of x, y, x^2, x y and y^2 of the background pixels from the corner of the box.
(
    OF_COUNTS,
    OF_BACKGROUND,
    OF_FOREGROUND,
    OF_PROFILE,
    OF_X,
    OF_Y,
    OF_XX,
    OF_XY,
    OF_YY,
    N_IMAGE_SUMS,
) = range(10)
N_MOMENTS = 4  # sums of z, z^2, z^3 and z^4
COUNTS_Z = N_MOMENTS  # sum of values times z, the last of a pixel


class RotationSums(NamedTuple):
    """Sums by image of n reflections, and moments of the images of each pixel.

    Images of reflection i are [offsets[i], offsets[i + 1]) from the first of its box; none where
    they are not kept. Of two parts of a reflection's images the sums add up.

    offsets: (n + 1,) int64. images: (k, N_IMAGE_SUMS) int64. moments: (m, N_MOMENTS + 1) int64, for
    the pixels of its footprint: sums of the first powers of z, images from the first of the box,
    over those on which the pixel is background, and of its values times z.
    """

    offsets: NDArray[np.int64]
    images: NDArray[np.int64]
    moments: NDArray[np.int64]


def empty_rotation(depths: NDArray[np.int64], n_pixels: int) -> RotationSums:
    """Return those of boxes of some images (n,), whose footprints have together `n_pixels`."""
    offsets = offsets_of(depths)
    return RotationSums(
        offsets,
        np.zeros((offsets[-1], N_IMAGE_SUMS), dtype=np.int64),
        np.zeros((n_pixels, N_MOMENTS + 1), dtype=np.int64),
    )


def select_rotation(
    s: RotationSums | None, order: NDArray[np.int64], pixels: NDArray[np.int64]
) -> RotationSums | None:
    """Return those at places `order` (k,), whose pixels are at `pixels`."""
    if s is None:
        return None
    offsets, at = entries_of(s.offsets, order)
    return RotationSums(offsets, s.images[at], s.moments[pixels])


def concatenate_rotation(parts: Sequence[RotationSums | None]) -> RotationSums | None:
    """Return the sums one below the other; None if they are not kept."""
    kept = [p for p in parts if p is not None]
    if not kept:
        return None
    return RotationSums(
        offsets_of(np.concatenate([np.diff(p.offsets) for p in kept])),
        np.concatenate([p.images for p in kept]),
        np.concatenate([p.moments for p in kept]),
    )


def add_equal_rotation(
    s: RotationSums | None,
    first: NDArray[np.int64],
    place: NDArray[np.int64],
    pixels: NDArray[np.int64],
    n_pixels: int,
) -> RotationSums | None:
    """Return the sums of each reflection; `first` and `place` as in `add_equal_footprints`.

    pixels : (m,), the pixel, of `n_pixels`, to which each is added.
    """
    if s is None:
        return None
    out = empty_rotation(np.diff(s.offsets)[first], n_pixels)
    _, at = entries_of(out.offsets, place)
    np.add.at(out.images, at, s.images)
    np.add.at(out.moments, pixels, s.moments)
    return out


def without_rotation(
    s: RotationSums | None, rows: NDArray[np.bool_], pixels: NDArray[np.bool_]
) -> RotationSums | None:
    """Return the sums without those of the reflections `rows` (n,); `pixels` (m,) are kept."""
    if s is None:
        return None
    depths = np.diff(s.offsets)
    kept = np.repeat(~rows, depths)
    return RotationSums(offsets_of(np.where(rows, 0, depths)), s.images[kept], s.moments[pixels])
