"""Parameters of a search for the beam centre, by itself or within indexing."""

from __future__ import annotations

from dxdask.parameters import Parameters, parameter


class BeamSearch(Parameters):
    """Extent of the search."""

    mm_search_scope: float = parameter(
        4.0, "Largest shift of the beam centre, along fast and along slow.", unit="mm", gt=0
    )
    wide_search_binning: float = parameter(
        2.0, "Coarseness of the wide grid, in units of that of the fine one.", expert=1, ge=1, le=5
    )
    max_reflections: int = parameter(
        10_000, "Largest number of spots used, evenly chosen.", expert=1, ge=20
    )
