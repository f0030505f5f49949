"""The centre of the scattering around the beam, on the mean image of a run.

Diffuse scattering is symmetric about the direct beam. Its projections on the axes of the detector
are too, whatever part of it the detector has (the methods of dials.search_beam_position on images:
https://autoed.readthedocs.io).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats
from dxdask.indexing.search_beam_position.frame_centre import centre_on_plane
from dxdask.indexing.search_beam_position.image_plane import on_one_plane
from dxdask.indexing.search_beam_position.parameters import Projection
from dxdask.models import Experiment


class ImageShift(NamedTuple):
    """A shift of the beam centre.

    Attributes
    ----------
    mm : (2,), along fast and slow of the first panel. uncertainty_px : (2,), of the centre.
    """

    mm: Floats
    uncertainty_px: Floats


def shift_on_image(
    image: Floats, experiment: Experiment, method: str, parameters: Projection
) -> ImageShift:
    """Return the shift of the beam centre to that of the scattering on an image.

    image : (slow, fast) of the stored frame, mean counts, NaN where none is measured. method :
    midpoint or maximum.

    Raises
    ------
    ConvergenceError
        The scattering does not determine the centre, or the detector is not flat.
    """
    detector, s0 = experiment.detector, experiment.beam.s0
    plane, corner = on_one_plane(image, detector)
    centre = centre_on_plane(plane, method, parameters)
    pixel = np.asarray(detector[0].pixel_size)
    mm = np.asarray((centre.place + corner) * pixel - detector[0].ray_intersection(s0))
    return ImageShift(mm, centre.uncertainty)
