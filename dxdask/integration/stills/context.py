"""Constants of a run that its stills share."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.geometry.resolution import corner_resolution
from dxdask.integration.centring import centring_translations
from dxdask.integration.rays import PanelArrays, panel_arrays
from dxdask.integration.stills.shadows import RadialGrid, radial_grid
from dxdask.models import Beam, Detector, space_group


class StillsContext(NamedTuple):
    """Constants that the stills of a run share.

    Attributes
    ----------
    panels : of the detector, as arrays. beam : direction and polarisation. trusted : (p, 2)
    counts strictly between which pixels are used. gain : (p,) counts a photon. centring : (m, 3)
    translations of the lattice's centring, in 1/24. grid : pixels that sample the background.
    d_min, d_max : A.
    """

    panels: PanelArrays
    beam: Beam
    trusted: Floats
    gain: Floats
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
) -> StillsContext:
    """Return the constants that the stills of a run share; the last are cached, so read only.

    Parameters
    ----------
    detector, beam : of the run; wavelengths of single stills are not used.
    group : symbol of the space group.
    d_min, d_max : Angstrom; None: the resolution at the corners of the detector, no limit.
    """
    return _context(detector, replace(beam, wavelengths=None), group, d_min, d_max)


@lru_cache(maxsize=8)
def _context(
    detector: Detector, beam: Beam, group: str, d_min: float | None, d_max: float | None
) -> StillsContext:
    return StillsContext(
        panels=panel_arrays(detector),
        beam=beam,
        trusted=np.array([p.trusted_range for p in detector.panels], dtype=np.float64),
        gain=np.array([p.gain for p in detector.panels], dtype=np.float64),
        centring=centring_translations(space_group(group)),
        grid=radial_grid(detector, beam),
        d_min=corner_resolution(detector, beam.s0) if d_min is None else d_min,
        d_max=np.inf if d_max is None else d_max,
    )
