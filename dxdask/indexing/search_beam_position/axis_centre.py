"""A coordinate of a centre, as it is found on an image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats

ROBUST = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
LEAST_CONTRAST = 10.0
"""Of scattering that is seen: its height over the standard deviation of the smoothed counts."""


class AxisCentre(NamedTuple):
    """A coordinate of the centre.

    Attributes
    ----------
    place, uncertainty : px, NaN where none is found.
    of : what it was found from. reason : why none is found, empty where one is.
    """

    place: float
    uncertainty: float
    of: str = ""
    reason: str = ""


def not_found(reason: str) -> AxisCentre:
    """Return the lack of a centre."""
    return AxisCentre(np.nan, np.nan, reason=reason)


def noise_of(values: Floats) -> float:
    """Return the standard deviation of the noise of values (..., n), from second differences.

    Robust, so that the few values where scattering is curved do not count, but where most are equal
    (few counts); NaN are left out.
    """
    bends = values[..., :-2] - 2.0 * values[..., 1:-1] + values[..., 2:]
    bends = bends[np.isfinite(bends)]
    if not len(bends):
        return np.inf
    width = ROBUST * np.median(np.abs(bends)) or np.sqrt(np.mean(bends**2))
    return float(width / np.sqrt(6.0))
