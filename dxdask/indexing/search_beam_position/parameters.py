"""Parameters of the search for the beam centre: DIALS's names and defaults."""

from __future__ import annotations

from typing import Literal

from dxdask.indexing.beam_search import BeamSearch
from dxdask.parameters import parameter


class SearchBeamPositionParameters(BeamSearch):
    """Parameters of `search_beam_position`."""

    method: Literal["default", "inversion"] = parameter(
        "default",
        "default: the centre at which the spots of a sweep are on one lattice. inversion: that "
        "about which the spots of single images are symmetric, for electrons or short wavelengths.",
    )
    n_macro_cycles: int = parameter(
        1, "Number of searches, each around the centre found before.", expert=1, ge=1
    )
    d_min: float | None = parameter(
        None, "High-resolution limit of the spots used.", unit="Angstrom", gt=0
    )
    max_cell: float | None = parameter(
        None, "Longest basis vector. Default: estimated.", unit="Angstrom", expert=1, gt=0
    )
