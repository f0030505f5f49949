"""Indexing of the spots of one run, or of an ensemble of runs of one crystal."""

from __future__ import annotations

from dxdask.columns import Reflections, check, n_rows
from dxdask.errors import InputError
from dxdask.geometry.required import require_rotation
from dxdask.indexing.automatic import index_automatically
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.reciprocal import without_crystals
from dxdask.indexing.refinement_settings import for_indexing
from dxdask.indexing.separate import index_separately
from dxdask.indexing.together import index_together
from dxdask.models import ExperimentList
from dxdask.refinement import RefinementParameters
from dxdask.results import StepResult

COLUMNS_NEEDED = (
    "experiment", "panel", "flags", "x", "y", "z", "x_variance", "y_variance", "z_variance",
)  # fmt: skip


def index(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: IndexParameters,
    refinement: RefinementParameters,
) -> StepResult:
    """Find the crystal, assign Miller indices to the spots, and refine the models.

    Parameters
    ----------
    reflections : spots of all runs: columns experiment, panel, flags, x, y, z and their variances;
        bbox where there is one.
    experiments : rotation data; their crystals are replaced.
    parameters : see `IndexParameters`.
    refinement : of the macrocycles; "auto" is Tukey's rule for outliers and 100 reflections for
        each degree.

    Returns
    -------
    StepResult
        Experiments with one crystal for all runs (or, without `joint_indexing`, one for each run);
        further lattices of a run are experiments of their own, after its first. All input rows in
        their order, with x_mm .. phi_rad and variances, s1, rlp, entering, hkl (0 0 0 where not
        indexed), experiment, fate, flags and predictions. Tables candidates, imagesets, crystals,
        rmsds, lattices, fates, clusters, panels.

    Raises
    ------
    InputError
        Stills, or too few spots.
    ConvergenceError
        No lattice indexes the spots, or none has the known symmetry.
    """
    check(reflections, COLUMNS_NEEDED)
    _check_rotation(reflections, experiments)
    start = without_crystals(experiments)
    settings = for_indexing(refinement)
    if parameters.joint_indexing is True or len(experiments.runs) < 2:
        return index_together(reflections, start, parameters, settings)
    if parameters.joint_indexing == "auto":
        return index_automatically(reflections, start, parameters, settings)
    return index_separately(reflections, start, parameters, settings)


def _check_rotation(reflections: Reflections, experiments: ExperimentList) -> None:
    """Check that experiments rotate, and that rows belong to them.

    Raises
    ------
    InputError
        They do not.
    """
    for e in experiments:
        if e.scan is not None and e.scan.n_images > 1 and e.scan.is_still:
            raise InputError(
                f"the {e.scan.n_images} images of run {e.run} have no rotation width: give "
                "geometry.scan.oscillation=START,WIDTH on import, or process them as stills with "
                "dxdask stills_process"
            )
        require_rotation(e)
    if not n_rows(reflections):
        raise InputError("no spots to index: lower the threshold of find_spots")
    ids = reflections["experiment"]
    if ids.min() < 0 or ids.max() >= len(experiments):
        raise InputError(
            f"column 'experiment' runs from {ids.min()} to {ids.max()}, but there are "
            f"{len(experiments)} experiments: give the list that the spots belong to"
        )
