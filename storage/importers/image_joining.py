"""Images that belong to one scan: their models, angles and width.

Angles in headers are rounded, or read back from the axis, and pass 360 degrees; so those of images
whose numbers continue may be off by half a width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.models import Beam, Detector, Goniometer
from dxdask.models.vectors import vector
from dxdask.storage.importers.image_header import ImageHeader
from dxdask.storage.importers.uneven_angles import BREAK, NEIGHBOURS, breaks, uneven_angles

# Differences of values that are read back for each image; a change of the setting is larger.
_SAME_WAVELENGTH = 5e-5
_SAME_PIXELS = 0.2
_SAME_ANGLE = 0.02
# Rounding to 0.01 degree may be as much as half a width of a fine-sliced scan.
_COARSE_DECIMALS = 2


@dataclass(frozen=True, slots=True)
class NumberedImage:
    """An image with the number in its name."""

    path: Path
    number: int
    header: ImageHeader


def with_starts(images: Sequence[NumberedImage]) -> list[NumberedImage]:
    """Return images whose headers do not say which axis turns, with the angles that follow.

    Of the angles that they have, it is the one whose steps are nearest to the width.
    """
    table = [i.header.starts for i in images]
    n_axes = len(table[0])
    if n_axes < 2 or len(images) < 2 or any(len(row) != n_axes for row in table):
        return list(images)
    width = images[0].header.oscillation[1]
    steps = _wrapped_all(np.diff(np.array(table), axis=0))
    axis = int(np.argmin(np.median(np.abs(steps - width), axis=0)))
    return [
        replace(i, header=replace(i.header, oscillation=(row[axis], i.header.oscillation[1])))
        for i, row in zip(images, table, strict=True)
    ]


def _wrapped_all(degrees: Floats) -> Floats:
    out: Floats = (degrees + 180.0) % 360.0 - 180.0
    return out


def continues(
    block: Sequence[NumberedImage], ahead: Sequence[NumberedImage], *, is_one_scan: bool
) -> bool:
    """Return True if the first of the images ahead continues the run of `block`.

    ahead : it and the `NEIGHBOURS` after it, as far as there are so many.

    Raises
    ------
    FormatError
        It is of another size.
    """
    image = ahead[0]
    first, last, here = block[0].header, block[-1].header, image.header
    if here.shape != first.shape or here.dtype != first.dtype:
        raise FormatError(
            f"{image.path} has {here.shape} pixels (slow, fast) of {here.dtype}, {block[0].path} "
            f"{first.shape} of {first.dtype}; import them one by one"
        )
    follows = image.number == block[-1].number + 1
    start, width = here.oscillation
    if is_one_scan and follows:
        return True
    if not _same_detector(here.detector, first.detector):
        return False
    if not _same_goniometer(here.goniometer, first.goniometer):
        return False
    if width == 0.0 or first.oscillation[1] == 0.0:
        return width == first.oscillation[1]
    alike = (
        follows
        and _same_beam(here.beam, first.beam)
        and abs(width - first.oscillation[1])
        <= 1e-3 * abs(width) + 1.01 * _step(here.width_decimals)
    )
    gap = _wrapped(start - (last.oscillation[0] + last.oscillation[1]))
    close = abs(gap) < BREAK * abs(width) + 1.5 * _rounding(here, last)
    return alike and (close or _goes_on(block, ahead))


def _goes_on(block: Sequence[NumberedImage], ahead: Sequence[NumberedImage]) -> bool:
    """Return True if the scan of a block goes on with the images ahead, see `breaks`."""
    follow = [i for i, image in enumerate(ahead) if image.number != ahead[0].number + i]
    near = [i.header for i in (*block[-NEIGHBOURS:], *ahead[: follow[0] if follow else None])]
    if any(h.oscillation[1] == 0.0 for h in near):
        return False
    place = len(near) - len(ahead[: follow[0] if follow else None])
    return not breaks(angles_of(near), near[place].oscillation[1])[place - 1]


def _wrapped(degrees: float) -> float:
    return (degrees + 180.0) % 360.0 - 180.0


def _step(decimals: int | None) -> float:
    """Return the last digit to which a header gives a value, 0 where it is exact or coarse."""
    return 0.0 if decimals is None or decimals < _COARSE_DECIMALS else 10.0**-decimals


def _rounding(one: ImageHeader, other: ImageHeader) -> float:
    return max(_step(one.angle_decimals), _step(other.angle_decimals))


def _same_beam(one: Beam, other: Beam) -> bool:
    alike = replace(
        one, flux=other.flux, transmission=other.transmission, wavelength=other.wavelength
    )
    return (
        alike == other
        and abs(one.wavelength - other.wavelength) <= _SAME_WAVELENGTH * other.wavelength
    )


def _same_detector(one: Detector, other: Detector) -> bool:
    """Return True if detectors differ by what is read back of the distance and the beam centre."""
    if one == other:
        return True
    if len(one) != len(other):
        return False
    for a, b in zip(one.panels, other.panels, strict=True):
        moved = np.abs(np.subtract(a.origin, b.origin)).max()
        if moved > _SAME_PIXELS * min(b.pixel_size):
            return False
        if replace(a, origin=b.origin, trusted_range=b.trusted_range, mu=b.mu) != b:
            return False
    return True


def _same_goniometer(one: Goniometer | None, other: Goniometer | None) -> bool:
    """Return True if goniometers differ by the angle of the scanned axis alone."""
    if one is None or other is None:
        return one is other
    if replace(one, angles=other.angles) != other:
        return False
    fixed = [i for i in range(len(other.axes)) if i != other.scan_axis]
    return all(abs(_wrapped(one.angles[i] - other.angles[i])) <= _SAME_ANGLE for i in fixed)


def angles_of(headers: Sequence[ImageHeader]) -> Floats:
    """Return the start of each image, degree, without the turns by 360 of a scan."""
    starts = np.array([h.oscillation[0] for h in headers], dtype=np.float64)
    if headers[0].oscillation[1] == 0.0:
        return starts
    steps = _wrapped_all(np.diff(starts))
    width = headers[0].oscillation[1]
    # A width near 180 degrees or more has to be counted from what is expected.
    steps += 360.0 * np.round((width - steps) / 360.0)
    turned = np.concatenate([[0.0], np.cumsum(steps)])
    out: Floats = np.round(starts[0] + turned, 9)
    return out


@dataclass(frozen=True, slots=True)
class ScanOfHeaders:
    """Angles in the headers of a run, degree, signed.

    starts : (n,) of the images. width : of all. borders : of uneven images, see `uneven_angles`.
    problems : what is doubtful.
    """

    starts: Floats
    width: float
    borders: tuple[float, ...] = ()
    problems: tuple[str, ...] = ()


def scan_of_headers(headers: Sequence[ImageHeader]) -> ScanOfHeaders:
    """Return the angles of the images of a run, the width of all and what is doubtful.

    The header's width is kept where the angles agree with it. A width that is rounded in the header
    (0.12 for 0.125) is taken from the first and the last angle, where that matters, and one that
    the angles contradict from their median step over half the scan. Images off their place by more
    than a tenth of a width are a problem; angles of which most are off by more than half of one, or
    that do not go on from image to image, are replaced by even ones.
    """
    angles = angles_of(headers)
    width = headers[0].oscillation[1]
    n_steps = len(headers) - 1
    if width == 0.0 or n_steps == 0:
        return ScanOfHeaders(angles, width)
    slope = float(angles[-1] - angles[0]) / n_steps
    rounded = _step(headers[0].width_decimals)
    coarse = max(_step(h.angle_decimals) for h in headers)
    drift = abs(slope - width) * n_steps
    best = width
    if (
        drift > max(1.01 * coarse, 0.1 * abs(width))
        and abs(slope - width) <= 0.501 * rounded + coarse / n_steps
    ):
        best = slope
    elif drift > 0.5 * abs(width):
        # Over half the scan, where neither noise of single angles nor a slow start changes it.
        lag = (n_steps + 1) // 2
        median = float(np.median(angles[lag:] - angles[:-lag])) / lag
        # Angles that stand still, or run the other way, say nothing about the width.
        contradicts = abs(median - width) * n_steps > 0.5 * abs(width)
        best = median if contradicts and 0.5 < median / width < 1.5 else width
    even = angles[0] + best * np.arange(n_steps + 1)
    away = np.abs(angles - even)
    contradict = away.max() > 0.5 * abs(best) + 1.5 * coarse
    borders: tuple[float, ...] | None = uneven_angles(angles, best)
    if contradict:
        typical = np.median(np.abs(angles - even - np.median(angles - even)))
        borders = borders if typical <= 0.5 * abs(best) + 1.5 * coarse else None
    problems: tuple[str, ...] = ()
    if away.max() > 0.1 * abs(best) + coarse:
        used = "each image has its own" if borders else "even ones are used"
        problems = (
            f"the angles in the headers are up to {away.max():.4g} degrees off even steps of "
            f"{best:.6g}; {used}; geometry.scan.oscillation=START,WIDTH gives other ones",
        )
    replaced = contradict and not borders
    return ScanOfHeaders(even if replaced else angles, best, borders or (), problems)


def forward(goniometer: Goniometer | None, start: float, *, is_reversed: bool) -> Goniometer | None:
    """Return the goniometer with the angle of its scanned axis, which is reversed if need be."""
    if goniometer is None:
        return None
    angles, axes = list(goniometer.angles), list(goniometer.axes)
    angles[goniometer.scan_axis] = start
    if is_reversed:
        axes[goniometer.scan_axis] = vector(-np.asarray(axes[goniometer.scan_axis]) + 0.0)
    return replace(goniometer, angles=tuple(angles), axes=tuple(axes))
