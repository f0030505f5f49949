"""What stills of a run share for their prediction."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dxdask.geometry.resolution import corner_resolution
from dxdask.models import Beam, Detector, space_group
from dxdask.prediction.absences import centring_translations
from dxdask.prediction.rays import PanelArrays, panel_arrays


class StillModels(Protocol):
    """Panels, beam, centring and limits of resolution, of which `RunOfStills` is an example."""

    @property
    def panels(self) -> PanelArrays:
        """Panels of the detector."""

    @property
    def beam(self) -> Beam:
        """Direction of the beam; its wavelength is not used."""

    @property
    def centring(self) -> NDArray[np.int64]:
        """Translations (m, 3) of the lattice's centring, in 1/24."""

    @property
    def d_min(self) -> float:
        """High resolution limit, Angstrom."""

    @property
    def d_max(self) -> float:
        """Low resolution limit, Angstrom; may be infinite."""


class RunOfStills(NamedTuple):
    """What stills of a run share for their prediction: see `StillModels`."""

    panels: PanelArrays
    beam: Beam
    centring: NDArray[np.int64]
    d_min: float
    d_max: float


def run_of_stills(
    detector: Detector,
    beam: Beam,
    group: str,
    *,
    d_min: float | None = None,
    d_max: float | None = None,
) -> RunOfStills:
    """Return what the stills of a run share.

    group : symbol of the space group. d_min, d_max : Angstrom; None: the resolution at the corners
    of the detector, no limit.
    """
    return RunOfStills(
        panels=panel_arrays(detector),
        beam=beam,
        centring=centring_translations(space_group(group)),
        d_min=corner_resolution(detector, beam.s0) if d_min is None else d_min,
        d_max=np.inf if d_max is None else d_max,
    )
