"""Pixels that never counted a photon, and how often those around them did.

`combine_light` of the records of sets of images is the record of all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers, Mask

BIN = 8
"""Width of the squares in which it is counted how often pixels are lit, pixels."""

# of each square one row is counted: the mean of a run needs no more
_ROW = 4


class Light(NamedTuple):
    """Light on the pixels of all panels, one panel after the other, row by row.

    Attributes
    ----------
    lit : packed bits, set where a pixel counted on any image, or is masked or not trusted.
    n_lit, n : of the valid values in a sample of each square of `BIN` pixels, the number above the
        pedestal, and of all. Not their sum: bright spots would dominate it.
    """

    lit: NDArray[np.uint8]
    n_lit: Integers
    n: Integers


class LightOfPanel:
    """Accumulates the light on a panel, image by image.

    mask : (slow, fast), True is good. limits : stored values strictly between the two are valid.
    pedestal : stored value without photons.
    """

    def __init__(self, mask: Mask, limits: tuple[float, float], pedestal: float) -> None:
        self._mask, self._limits, self._pedestal = mask, limits, pedestal
        self._lit = np.zeros(mask.shape, np.uint8)
        self._sums = np.zeros((2, *squares(mask.shape)), np.int64)

    def add(self, image: NDArray[Any]) -> None:
        """Add an image (slow, fast)."""
        values = _intervals(image.dtype, self._limits, self._pedestal)
        _add(image, self._mask, *values, self._lit, self._sums)

    @property
    def lit(self) -> NDArray[np.uint8]:
        """1 where a pixel counted, or is masked or not trusted, else 0: (pixels,)."""
        return (self._lit | ~self._mask).reshape(-1)

    @property
    def sums(self) -> Integers:
        """Number of lit and of all valid values in the sample of each square: (2, squares)."""
        return self._sums.reshape(2, -1)


def light_of(panels: Sequence[LightOfPanel]) -> Light:
    """Return the record of the images added to all panels of a detector."""
    lit = np.packbits(np.concatenate([p.lit for p in panels]))
    n_lit, n = np.concatenate([p.sums for p in panels], axis=1)
    return Light(lit, n_lit, n)


def combine_light(parts: Sequence[Light]) -> Light:
    """Return the record of the images of all parts; associative, in any order."""
    return Light(
        reduce(np.bitwise_or, (p.lit for p in parts)),
        reduce(np.add, (p.n_lit for p in parts)),
        reduce(np.add, (p.n for p in parts)),
    )


def squares(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the number of squares along slow and fast."""
    return -(-shape[0] // BIN), -(-shape[1] // BIN)


def lit_fraction(n_lit: Integers, n: Integers, slow: Integers, fast: Integers) -> Floats:
    """Return how often pixels near pixels slow, fast (m,) are lit: the lower quartile (m,) of the
    fractions of the squares around each.

    n_lit, n : (slow, fast) of the squares. NaN where no square has any valid value. A fraction is
    below 1 by what its number of values can show.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(n > 0, n_lit / (n + 1), np.nan)
    padded = np.pad(mean, 1, constant_values=np.nan)
    j, i = slow // BIN, fast // BIN
    around = np.stack([padded[j + dj, i + di] for dj in range(3) for di in range(3)], axis=-1)
    known = np.count_nonzero(~np.isnan(around), axis=-1)
    around.sort(axis=-1)  # those not known come last
    found = around[np.arange(len(slow)), np.maximum(known - 1, 0) // 4]
    return np.asarray(found, np.float64)


def _intervals(
    dtype: np.dtype[Any], limits: tuple[float, float], pedestal: float
) -> tuple[Any, Any, Any]:
    """Return the smallest and the largest value of a dtype without photons, and the largest valid
    one, all of that dtype; the first above the others where there is no such value.
    """
    kind = dtype.type
    if dtype.kind == "f":
        return np.nextafter(kind(limits[0]), kind(np.inf)), kind(pedestal), kind(limits[1])
    ends = np.iinfo(dtype)
    first = max(ends.min, math.floor(limits[0]) + 1) if limits[0] > ends.min else ends.min
    last = min(ends.max, math.floor(pedestal))
    top = min(ends.max, math.ceil(limits[1]) - 1) if limits[1] < ends.max else ends.max
    if min(last, top) < ends.min or first > ends.max:
        return kind(ends.max), kind(ends.min), kind(ends.min)
    return kind(first), kind(last), kind(top)


@njit(cache=True, nogil=True, error_model="numpy")
def _add(image: Any, mask: Any, first: Any, last: Any, top: Any, lit: Any, sums: Any) -> None:
    """Add an image to `lit`, and a row of each square to `sums`; no branches a pixel."""
    for j in range(image.shape[0]):
        for i in range(image.shape[1]):
            v = image[j, i]
            lit[j, i] |= np.uint8(1) - np.uint8((v >= first) & (v <= last))
    for j in range(_ROW, image.shape[0], BIN):
        for k in range(sums.shape[2]):
            n_lit, n = 0, 0
            for i in range(k * BIN, min((k + 1) * BIN, image.shape[1])):
                v = image[j, i]
                valid = mask[j, i] & (v >= first) & (v <= top)
                n += valid
                n_lit += valid & (v > last)
            sums[0, j // BIN, k] += n_lit
            sums[1, j // BIN, k] += n
