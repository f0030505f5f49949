"""Constants of a run that its stills share."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.integration.photons import ScaledPixels, photons_of
from dxdask.integration.stills.shadows import RadialGrid, radial_grid
from dxdask.models import Beam, Detector
from dxdask.models.pixel_maps import PixelMaps
from dxdask.prediction.rays import PanelArrays
from dxdask.prediction.stills.models import run_of_stills


class StillsContext(NamedTuple):
    """Constants that the stills of a run share.

    Attributes
    ----------
    panels : of the detector, as arrays. beam : direction and polarisation. trusted : (p, 2)
    counts strictly between which pixels are used. pixels : gain and pedestal. centring : (m, 3)
    translations of the lattice's centring, in 1/24. grid : pixels that sample the background.
    d_min, d_max : A.
    """

    panels: PanelArrays
    beam: Beam
    trusted: Floats
    pixels: ScaledPixels
    centring: NDArray[np.int64]
    grid: RadialGrid
    d_min: float
    d_max: float


def stills_context(
    detector: Detector,
    beam: Beam,
    group: str,
    *,
    d_min: float | None = None,
    d_max: float | None = None,
    maps: PixelMaps | None = None,
) -> StillsContext:
    """Return the constants that the stills of a run share; the last are cached, so read only.

    Parameters
    ----------
    detector, beam : of the run; wavelengths of single stills are not used.
    group : symbol of the space group.
    d_min, d_max : Angstrom; None: the resolution at the corners of the detector, no limit.
    maps : gain and pedestal of single pixels, in place of the panels'.
    """
    context = _context(detector, replace(beam, wavelengths=None), group, d_min, d_max)
    if maps is None or not maps.are_given:
        return context
    return context._replace(pixels=photons_of(detector, maps).pixels)


@lru_cache(maxsize=8)
def _context(
    detector: Detector, beam: Beam, group: str, d_min: float | None, d_max: float | None
) -> StillsContext:
    photons = photons_of(detector)
    return StillsContext(
        trusted=photons.trusted,
        pixels=photons.pixels,
        grid=radial_grid(detector, beam),
        **run_of_stills(detector, beam, group, d_min=d_min, d_max=d_max)._asdict(),
    )
