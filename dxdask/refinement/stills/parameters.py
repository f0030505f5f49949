"""Parameters of the refinement of single stills."""

from __future__ import annotations

from dxdask.parameters import Parameters, parameter


class StillRefinementParameters(Parameters):
    """Parameters of the refinement of each crystal against its own spots."""

    cell_restraint: float | None = parameter(
        2e-3,
        "Relative standard deviation of cells about the target cell. None: no restraint.",
        gt=0.0,
    )
    max_iterations: int = parameter(10, "Number of cycles of least squares.", expert=1, ge=1)
    index_tolerance: float = parameter(
        0.3, "Largest distance of the indices of a spot from integers.", gt=0.0, le=0.5
    )
    min_spots: int = parameter(8, "Fewest indexed spots of a crystal.", ge=3)
    max_rmsd: float = parameter(3.0, "Largest RMSD along fast or slow.", unit="px", gt=0.0)
