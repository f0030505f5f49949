"""Refinement of the models against the centroids of indexed reflections."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, check, select
from dxdask.models import ExperimentList
from dxdask.refinement import summary
from dxdask.refinement.auto_reduction import auto_reduce
from dxdask.refinement.engine import Evaluation, Minimum, minimise
from dxdask.refinement.normal import ObservedCentroids
from dxdask.refinement.parameterisation import PredictionParameterisation, parameterise
from dxdask.refinement.parameters import RefinementParameters
from dxdask.refinement.predict import COLUMNS_NEEDED, predict
from dxdask.refinement.selection import VARIANCES, select_reflections
from dxdask.refinement.target import evaluate, observed_centroids
from dxdask.results import StepResult


def refine(
    reflections: Reflections, experiments: ExperimentList, parameters: RefinementParameters
) -> StepResult:
    """Refine beams, detectors and crystals that do not vary over the scan.

    Models that experiments share are refined once. The target is the weighted sum of squared
    residuals in x, y (mm) and phi (rad) (Waterman et al. 2016, Acta Cryst. D72, 558); outliers are
    rejected first.

    Parameters
    ----------
    reflections : columns experiment, panel, hkl, flags, x_mm, y_mm, phi_rad and their variances.
        Those with the flag INDEXED are used; x_mm, y_mm are on the panels of `experiments`.
    experiments : rotation data with crystals; those without one are not changed.
    parameters : see `RefinementParameters`.

    Returns
    -------
    StepResult
        The refined models (crystals with `cell_su`); the table with predictions of all indexed
        reflections (see `predict`), the flags USED_IN_REFINEMENT and CENTROID_OUTLIER; tables
        steps, rmsds, crystals and panels.

    Raises
    ------
    SchemaError
        A column is missing or of another dtype or shape.
    InputError
        Experiments are stills, none has a crystal, or there are too few reflections.
    ConvergenceError
        Parameters are not determined by the reflections.
    """
    check(reflections, (*COLUMNS_NEEDED, *VARIANCES))
    params = parameterise(experiments, parameters.parameterisation)
    selection = select_reflections(reflections, experiments, parameters.reflections)
    messages = [
        f"{selection.n_matched} observations matched to predictions",
        f"{len(selection.outliers)} reflections have been flagged as outliers",
    ]
    rule = parameters.parameterisation.auto_reduction
    params, used, notes = auto_reduce(params, reflections, selection.used, rule)
    strategy = parameters.reflections.weighting_strategy
    observed = observed_centroids(reflections, params, used, selection.entering, strategy)
    n_exp = len(np.unique(observed.experiment))
    messages += [*notes, (
        f"There are {int(params.free.sum())} parameters to refine against {len(used)} reflections "
        f"in 3 dimensions; {n_exp} experiment{'s' if n_exp > 1 else ''}"
    )]  # fmt: skip
    end = _minimum(params, observed, parameters)
    messages.append(end.reason)
    refined = params.models(end.values, end.covariance)
    # The side of the sphere is kept, so that the tables show the target that was minimised.
    table = {**_flagged(reflections, used, selection.outliers), "entering": selection.entering}
    table = predict(table, refined)
    tables = (
        summary.steps_table(end.steps),
        summary.rmsds_table(select(table, used), refined),
        summary.crystals_table(refined),
        summary.panels_table(experiments, refined),
    )
    return StepResult(
        experiments=refined, reflections=table, tables=tables, messages=tuple(messages)
    )


def _minimum(
    params: PredictionParameterisation,
    observed: ObservedCentroids,
    parameters: RefinementParameters,
) -> Minimum:
    start = params.start[params.free]

    def at(values: Floats) -> Evaluation:
        return evaluate(params, observed, values)

    return minimise(at, start, params.names, parameters.refinery.max_iterations)


def _flagged(
    table: Reflections, used: NDArray[np.int64], outliers: NDArray[np.int64]
) -> Reflections:
    flags = table["flags"] & ~np.uint32(Flag.USED_IN_REFINEMENT | Flag.CENTROID_OUTLIER)
    flags[used] |= np.uint32(Flag.USED_IN_REFINEMENT)
    flags[outliers] |= np.uint32(Flag.CENTROID_OUTLIER)
    return {**table, "flags": flags}
