"""The centre of the scattering on a flat image, with its uncertainty."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import ConvergenceError
from dxdask.indexing.search_beam_position.image_plane import bin_means
from dxdask.indexing.search_beam_position.maximum import maximum
from dxdask.indexing.search_beam_position.midpoint import midpoint
from dxdask.indexing.search_beam_position.parameters import Projection

AXES = ("fast", "slow")
REMEDY = (
    "use method=default, which takes the spots, or give the centre to dxdask import "
    "(fast_slow_beam_centre=FAST,SLOW)"
)


class FrameCentre(NamedTuple):
    """A centre.

    Attributes
    ----------
    place : (2,), px, fast and slow, from the outer corner of the first pixel.
    uncertainty : (2,), px, one standard deviation.
    """

    place: Floats
    uncertainty: Floats


def centre_on_plane(image: Floats, method: str, parameters: Projection) -> FrameCentre:
    """Return the centre of the scattering on an image.

    image : (slow, fast), mean counts, NaN where none is measured. method : midpoint or maximum.

    Raises
    ------
    ConvergenceError
        No bin is measured, or the scattering does not determine the centre: none is seen above the
        noise, it is cut off, or parts of the image differ by more than `max_uncertainty`.
    """
    bins = bin_means(image, parameters.bin_width, parameters.exclude_intensity_percent)
    find = maximum if method == "maximum" else midpoint
    found = [find(bins if axis == 0 else bins.T, parameters) for axis in (0, 1)]
    limit = parameters.max_uncertainty
    if any(axis.reason or axis.uncertainty > limit for axis in found):
        said = "; ".join(
            f"{name}: {axis.reason or f'{axis.place:.1f} +- {axis.uncertainty:.1f} px ({axis.of})'}"
            for name, axis in zip(AXES, found, strict=True)
        )
        raise ConvergenceError(
            f"the beam centre is not determined by the scattering around the beam to "
            f"projection.max_uncertainty={limit:g} px: {said}. It must be strong beside the other "
            f"background and fall off on both sides of the beam: {REMEDY}"
        )
    return FrameCentre(
        np.array([axis.place for axis in found]), np.array([axis.uncertainty for axis in found])
    )
