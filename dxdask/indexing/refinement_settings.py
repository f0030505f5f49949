"""Parameters of the refinements within indexing, from those of the step refine."""

from __future__ import annotations

from typing import Any

from dxdask.refinement import RefinementParameters

REFLECTIONS_PER_DEGREE = 100.0
ITERATIONS = 4
FEW_SPOTS = 80
"""Indexed spots below which only the crystal is refined: five for each of 16 parameters."""
VERY_FEW_SPOTS = 45
"""Indexed spots below which one for each parameter has to be enough."""


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


def for_few_spots(refinement: RefinementParameters, n_indexed: int) -> RefinementParameters:
    """Return the parameters to refine against n_indexed spots: of few, the crystal only.

    Where `auto_reduction` was given the parameters are as they are.
    """
    models = refinement.parameterisation
    if n_indexed >= FEW_SPOTS or "auto_reduction" in models.model_fields_set:
        return refinement
    update: dict[str, Any] = {
        "detector": models.detector.model_copy(update={"fix": "all"}),
        "beam": models.beam.model_copy(update={"fix": ("all",)}),
    }
    if n_indexed < VERY_FEW_SPOTS:
        rule = models.auto_reduction.model_copy(update={"min_nref_per_parameter": 1})
        update["auto_reduction"] = rule
        chosen = refinement.reflections
        outlier = chosen.outlier.model_copy(update={"minimum_number_of_reflections": 5})
        chosen = chosen.model_copy(update={"outlier": outlier})
        refinement = refinement.model_copy(update={"reflections": chosen})
    return refinement.model_copy(update={"parameterisation": models.model_copy(update=update)})
