"""Sweeps in the angles of images: start and width of each, also where angles are read back."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.storage.importers.uneven_angles import BREAK, breaks, uneven_angles

UNEVEN = 0.1
"""Departure from even steps, in widths of an image, above which the user is warned."""
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Sweep:
    """Images first .. stop - 1 that follow each other; degrees.

    departure : largest distance of an angle from even steps, and the image it is of, from 0.
    angles : of uneven images, see `uneven_angles`; None where they do not go on.
    """

    first: int
    stop: int
    start: float
    width: float
    departure: float = 0.0
    worst: int = 0
    angles: tuple[float, ...] | None = ()


def sweeps(
    angles: Floats, widths: Floats | None = None, images: NDArray[np.int64] | None = None
) -> list[Sweep]:
    """Return the sweeps in the angles (n,), degree, at the start of each image.

    A sweep ends where the next images do not begin where this one ends, see `breaks`, and where
    images are not there. Its width is the median over half its length, so that neither
    noise of single angles nor a slow start changes it.

    widths : of each image, signed or not, if they are known, degree; else the median step is taken.
    images : index of each image in the acquisition, ascending.

    Raises
    ------
    FormatError
        The angles follow no width; the message is a clause without file and field.
    """
    n = len(angles)
    images = np.arange(n, dtype=np.int64) if images is None else images
    turned = np.diff(angles)
    turned -= 360.0 * np.round(turned / 360.0) * (np.abs(turned) > 180.0)
    along = np.concatenate([angles[:1], angles[0] + np.cumsum(turned)])
    gaps = np.diff(images)
    known = _known(widths)
    next_to = turned[gaps == 1]
    width = _width(next_to, known)
    if n > 1 and known is not None and not np.any(np.abs(turned) > 1e-3 * abs(known)):
        raise FormatError(f"are all {angles[0]:g} degrees, and each image rotates by {known:g}")
    broken = gaps != 1
    if width != 0.0:
        cuts = [0, *(np.flatnonzero(broken) + 1).tolist(), n]
        for a, b in pairwise(cuts):
            broken[a : b - 1] = breaks(along[a:b], width)
    cuts = [0, *(np.flatnonzero(broken) + 1).tolist(), n]
    if known is None and np.count_nonzero(broken & (gaps == 1)) > n // 3:
        raise FormatError(
            f"are not evenly spaced: steps of {turned.min():g} to {turned.max():g} degrees"
        )
    ends = None
    if widths is not None and _are_read_back(widths, n):
        ends = along + np.sign(width) * np.abs(widths)
    return [_fitted(along, angles, a, b, width, ends) for a, b in pairwise(cuts)]


def _are_read_back(widths: Floats, n: int) -> bool:
    """Return True if widths are of ends that were read back; a width that was set is the same."""
    return widths.size == n and bool(np.ptp(widths) > 1e-3 * np.abs(widths).max())


def _known(widths: Floats | None) -> float | None:
    if widths is None:
        return None
    finite = widths[np.isfinite(widths) & (widths != 0.0)]
    return float(np.median(finite)) if finite.size else None


def _width(steps: Floats, known: float | None) -> float:
    """Return the width by which breaks are found; a known one takes the sign of the steps."""
    if known is None:
        return round(float(np.median(steps)), _DIGITS) if steps.size else 0.0
    step = float(np.median(steps)) if steps.size else known
    backwards = np.sign(step) != np.sign(known) and abs(abs(step) - abs(known)) < BREAK * abs(known)
    return round(-known if backwards else known, _DIGITS)


def _fitted(
    along: Floats, angles: Floats, first: int, stop: int, width: float, ends: Floats | None
) -> Sweep:
    part, n = along[first:stop], stop - first
    if width == 0.0:
        return Sweep(first, stop, float(angles[first]), 0.0)
    if n > 1:
        lag = n // 2
        slope = float(np.median(part[lag:] - part[:-lag])) / lag
        # The width as it was set, where the angles agree with it to a thousandth of an image.
        width = width if abs(slope - width) * n < 1e-3 * abs(width) else slope
    even = width * np.arange(n)
    start = float(np.median(part - even))
    shift = float(angles[first] - part[0])  # whole turns
    start = float(part[0]) if abs(start - part[0]) < 1e-3 * abs(width) else start
    away = np.abs(part - start - even)
    worst = int(np.argmax(away))
    borders = uneven_angles(part + shift, width, None if ends is None else ends[first:stop] + shift)
    return Sweep(first, stop, start + shift, width, float(away[worst]), first + worst, borders)
