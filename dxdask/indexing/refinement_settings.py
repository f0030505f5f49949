"""Parameters of the refinements within indexing, from those of the step refine."""

from __future__ import annotations

from typing import Any

from dxdask.refinement import RefinementParameters

REFLECTIONS_PER_DEGREE = 100.0
ITERATIONS = 4


def for_indexing(refinement: RefinementParameters) -> RefinementParameters:
    """Return the parameters with "auto" resolved: Tukey's rule, 100 spots for each degree.

    Crystals are static: spots are not all indexed yet.
    """
    chosen = refinement.reflections
    update: dict[str, Any] = {}
    if chosen.outlier.algorithm == "auto":
        update["outlier"] = chosen.outlier.model_copy(update={"algorithm": "tukey"})
    if chosen.reflections_per_degree == "auto":
        update["reflections_per_degree"] = REFLECTIONS_PER_DEGREE
    static = refinement.parameterisation.model_copy(update={"scan_varying": False})
    return refinement.model_copy(
        update={"reflections": chosen.model_copy(update=update), "parameterisation": static}
    )


def for_candidates(refinement: RefinementParameters) -> RefinementParameters:
    """Return the parameters to refine a candidate lattice: few steps, against all spots given."""
    resolved = for_indexing(refinement)
    refinery = resolved.refinery.model_copy(update={"max_iterations": ITERATIONS})
    chosen = resolved.reflections.model_copy(update={"reflections_per_degree": None})
    return resolved.model_copy(update={"refinery": refinery, "reflections": chosen})
