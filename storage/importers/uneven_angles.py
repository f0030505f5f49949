"""Angles of images that are not evenly spaced: breaks between scans, and borders of images.

Angles are read back from the axis for each image, or of an axis that has not reached its speed. A
scan goes on where angles are late or early for a while; it breaks where they stay so.
"""

from __future__ import annotations

import numpy as np
import scipy

from dxdask.arrays import Floats, Mask

BREAK = 0.5
"""Departure of a step from the width, in widths, that may begin another scan."""
NEIGHBOURS = 9
"""Images before and after a step that are compared."""
_FARTHEST = 2.0  # the same, that always does
_LASTING = 0.75  # shift ahead of the images after it against those before, in widths
_BACK = 0.9  # step back, in widths, that is more than the noise of a slow start
_NEGLIGIBLE = 0.01  # departure from even steps, in widths, of angles that are evenly spaced
_DIGITS = 3  # most decimals of angles that are rounded
_GLITCH = 2.0  # departure from both neighbours, in widths, of an angle that is a mistake
_NARROWEST = 0.05  # least width of an image, in usual widths
_MOST_CHANGED = 1.0  # of angles made to go on, in widths


def breaks(angles: Floats, width: float) -> Mask:
    """Return true (n - 1,) for steps of the angles (n,) after which another scan begins.

    angles : degrees at the start of each image, without turns by 360. width : signed, not 0.
    """
    n = len(angles)
    steps = np.diff(angles) / width
    late = angles / width - np.arange(n)
    out = np.abs(steps - 1.0) > BREAK
    sure = np.abs(steps - 1.0) > _FARTHEST
    cuts = [0, *(np.flatnonzero(sure) + 1).tolist(), n]
    begin = 0
    for i in np.flatnonzero(out & ~sure).tolist():
        first = max(cuts[np.searchsorted(cuts, i, side="right") - 1], begin)
        stop = cuts[np.searchsorted(cuts, i, side="right")]
        before = late[max(first, i + 1 - NEIGHBOURS) : i + 1]
        after = late[i + 1 : min(stop, i + 1 + NEIGHBOURS)]
        shift = float(np.median(after) - np.median(before))
        # Images after a slow axis are late for good, those of a scan that begins again are back.
        out[i] = shift > _LASTING or steps[i] < -_BACK
        begin = i + 1 if out[i] else begin
    return np.asarray(out)


def uneven_angles(
    starts: Floats, width: float, ends: Floats | None = None
) -> tuple[float, ...] | None:
    """Return the angles of a scan (n + 1), at the start of each image and the end of the last.

    An image ends where the next begins; where the ends were read back too, half way between. An
    angle far from both neighbours is a mistake and becomes their mean; where angles go back, by
    noise, those that go on and are nearest to them by least squares are taken.

    Parameters
    ----------
    starts : (n,), degrees, without turns by 360. width : of an image, degrees, signed.
    ends : (n,), of images, where they were read back.

    Returns
    -------
    tuple
        Empty where the images are evenly spaced, to a hundredth of a width and to the last digit of
        the angles. None where the angles do not go on from image to image.
    """
    n = len(starts)
    if n < 3 or width == 0.0:
        return ()
    line = np.polynomial.Polynomial.fit(np.arange(n), starts, 1)(np.arange(n))
    if np.abs(starts - line).max() <= max(_NEGLIGIBLE * abs(width), 1.01 * _last_digit(starts)):
        return ()
    borders = np.append(starts, starts[-1] + width if ends is None else ends[-1])
    if ends is not None:
        borders[1:-1] = 0.5 * (starts[1:] + ends[:-1])
    middle = 0.5 * (borders[:-2] + borders[2:])
    glitch = np.abs(borders[1:-1] - middle) > _GLITCH * abs(width)
    beside = np.abs(borders[2:] - borders[:-2] - 2.0 * width) < _GLITCH * abs(width)
    borders[1:-1] = np.where(glitch & beside, middle, borders[1:-1])
    least = _NARROWEST * width * np.arange(n + 1)
    rises = scipy.optimize.isotonic_regression(np.sign(width) * (borders - least)).x
    going_on = np.sign(width) * rises + least
    if np.abs(going_on - borders).max() > _MOST_CHANGED * abs(width):
        return None
    return tuple(np.round(going_on, 9).tolist())


def _last_digit(angles: Floats) -> float:
    """Return the unit, 1 to 0.001, of which all angles are multiples; 0 for none."""
    for decimals in range(_DIGITS + 1):
        units = angles * 10.0**decimals
        # single precision has 360 degrees to 3e-5
        if np.abs(units - np.round(units)).max() <= 1e-6 + 3e-5 * 10.0**decimals:
            return float(10.0**-decimals)
    return 0.0
