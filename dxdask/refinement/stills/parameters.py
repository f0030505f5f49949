"""Parameters of the refinement of single stills."""

from __future__ import annotations

from dxdask.parameters import Parameters, parameter


class StillRefinementParameters(Parameters):
    """Of the refinement of each crystal against its own spots."""

    cell_restraint: float | None = parameter(
        2e-3, "Relative spread of cells about the one given. None: cells are free.", gt=0.0
    )
    max_iterations: int = parameter(10, "Rounds of least squares.", expert=1, ge=1)
    index_tolerance: float = parameter(
        0.3, "A spot is indexed where its indices are this near to integers.", gt=0.0, le=0.5
    )
    min_spots: int = parameter(8, "Fewest indexed spots of a crystal.", ge=3)
    max_rmsd: float = parameter(3.0, "Largest RMSD along fast or slow.", unit="px", gt=0.0)
