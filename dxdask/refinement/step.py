"""Refinement of the models against the centroids of indexed reflections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, check, has_flag, select
from dxdask.errors import ConvergenceError, InputError
from dxdask.geometry.rays import is_entering
from dxdask.models import ExperimentList
from dxdask.refinement import summary
from dxdask.refinement.engine import Evaluation, Minimum, minimise
from dxdask.refinement.geometry import geometry, observed_s1, panel_rows
from dxdask.refinement.normal import Observations, block_sums, row_blocks
from dxdask.refinement.outliers import centroid_outliers
from dxdask.refinement.parameterisation import Parameterisation, Placed, parameterise, with_fixed
from dxdask.refinement.parameters import RefinementParameters
from dxdask.refinement.predict import COLUMNS_NEEDED, predict, predict_mm
from dxdask.refinement.selection import VARIANCES, sample, usable, weights
from dxdask.results import StepResult


@dataclass(frozen=True, kw_only=True, slots=True)
class _Chosen:
    """What is refined against: rows of the table, and which others were found to be outliers."""

    used: NDArray[np.int64]
    outliers: NDArray[np.int64]
    n_matched: int
    entering: NDArray[np.bool_]


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
        What has the flag INDEXED counts; x_mm, y_mm are on the panels of `experiments`.
    experiments : rotation data with crystals; those without one are left as they are.
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
    params, messages = parameterise(experiments, parameters.parameterisation), []
    chosen = _choose(reflections, experiments, parameters)
    messages += [
        f"{chosen.n_matched} observations matched to predictions",
        f"{len(chosen.outliers)} reflections have been flagged as outliers",
    ]
    params, used, notes = _reduced(params, reflections, chosen.used, parameters)
    observations = _observations(reflections, params, used, chosen.entering, parameters)
    n_exp = len(np.unique(observations.experiment))
    messages += [*notes, (
        f"There are {int(params.free.sum())} parameters to refine against {len(used)} reflections "
        f"in 3 dimensions; {n_exp} experiment{'s' if n_exp > 1 else ''}"
    )]  # fmt: skip
    end = _minimum(params, observations, parameters)
    messages.append(end.reason)
    refined = params.models(end.values, end.covariance)
    # The side of the sphere stays what it was taken to be, so that the tables show what was
    # minimised.
    table = {**_flagged(reflections, used, chosen.outliers), "entering": chosen.entering}
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


def _choose(
    table: Reflections, experiments: ExperimentList, parameters: RefinementParameters
) -> _Chosen:
    """Predict from the starting models, reject outliers, and sample what is left."""
    wanted = parameters.reflections
    indexed = np.flatnonzero(has_flag(table, Flag.INDEXED))
    part = select(table, indexed)
    s1 = observed_s1(part, experiments)
    geom = geometry(experiments)
    entering = is_entering(s1, geom.s0[part["experiment"]], geom.m2[part["experiment"]])
    xyphi, _ = predict_mm(part, geom, entering)
    good = np.flatnonzero(usable(part, experiments, s1, wanted) & np.isfinite(xyphi).all(axis=1))
    observed = np.column_stack([part[k][good] for k in ("x_mm", "y_mm", "phi_rad")])
    out = centroid_outliers(
        observed - xyphi[good],
        part["experiment"][good],
        part["panel"][good],
        observed[:, 2],
        wanted.outlier,
    )
    rows = sample(table, experiments, indexed[good[~out]], wanted)
    if not len(rows):
        raise InputError(
            f"no reflection is left to refine against: {len(indexed)} are indexed, {len(good)} are "
            f"predicted and away from the rotation axis, {int(out.sum())} of these are outliers; "
            "check the indexing, or lower reflections.outlier.minimum_number_of_reflections"
        )
    every = np.zeros(len(table["flags"]), dtype=bool)
    every[indexed] = entering
    return _Chosen(used=rows, outliers=indexed[good[out]], n_matched=len(good), entering=every)


def _reduced(
    params: Parameterisation,
    table: Reflections,
    rows: NDArray[np.int64],
    parameters: RefinementParameters,
) -> tuple[Parameterisation, NDArray[np.int64], list[str]]:
    """Act on models with too few reflections for their parameters."""
    rule, notes = parameters.parameterisation.auto_reduction, []
    while True:
        counts = np.bincount(table["experiment"][rows], minlength=len(params.experiments))
        poor = [
            b for b in params.blocks if _is_poor(b, params, counts, rule.min_nref_per_parameter)
        ]
        if not poor:
            break
        what = ", ".join(f"{b.kind} {b.model + 1}" for b in poor)
        if rule.action == "fail":
            raise InputError(
                f"too few reflections for the parameters of {what} (fewer than "
                f"{rule.min_nref_per_parameter} for each); set parameterisation.auto_reduction."
                "action=fix to keep these models as they are, or =remove to leave their "
                "reflections out too"
            )
        notes.append(f"Too few reflections for the parameters of {what}: kept as they are")
        if rule.action == "remove":
            gone = sorted({i for b in poor for i in params.members_of(b)})
            rows = rows[~np.isin(table["experiment"][rows], gone)]
        params = with_fixed(params, poor)
    if not params.free.any() or not len(rows):
        raise InputError(
            f"nothing to refine: {int(params.free.sum())} parameters are free and {len(rows)} "
            "reflections are left; fix fewer parameters or give more reflections"
        )
    return params, rows, notes


def _is_poor(block: Placed, params: Parameterisation, counts: NDArray[Any], least: int) -> bool:
    n_free = int(block.free.sum())
    return n_free > 0 and int(counts[params.members_of(block)].sum()) < least * n_free


def _observations(
    table: Reflections,
    params: Parameterisation,
    rows: NDArray[np.int64],
    entering: NDArray[np.bool_],
    parameters: RefinementParameters,
) -> Observations:
    part = select(table, rows)
    experiment = part["experiment"].astype(np.int64)
    return Observations(
        hkl=part["hkl"].astype(np.float64),
        experiment=experiment,
        panel=panel_rows(part, geometry(params.experiments).first_panel),
        entering=entering[rows],
        xyphi=np.column_stack([part[k] for k in ("x_mm", "y_mm", "phi_rad")]),
        weights=weights(part, parameters.reflections.weighting_strategy),
        blocks=row_blocks(experiment),
    )


def _minimum(
    params: Parameterisation, observations: Observations, parameters: RefinementParameters
) -> Minimum:
    start = params.start[params.free]

    def at(values: Floats) -> Evaluation:
        return evaluate(params, observations, values)

    return minimise(at, start, params.names, parameters.refinery.max_iterations)


def evaluate(params: Parameterisation, observations: Observations, values: Floats) -> Evaluation:
    """Return the normal equations of all refined parameters at `values` (k,).

    Raises
    ------
    ConvergenceError
        No reflection has a prediction there, or the values make no cell.
    """
    state = params.state(values)
    sums = block_sums(observations, state)
    n, k = int(sums.n.sum()), len(values)
    if n == 0:
        raise ConvergenceError(
            f"none of {len(observations.hkl)} reflections is predicted by these models; "
            "start from better ones"
        )
    matrix, vector = np.zeros((k, k)), np.zeros(k)
    for b, e in enumerate(observations.blocks[:, 2]):
        at = state.columns[e][state.columns[e] >= 0]
        matrix[np.ix_(at, at)] += sums.matrix[b, : len(at), : len(at)]
        vector[at] += sums.vector[b, : len(at)]
    return Evaluation(
        matrix=matrix,
        vector=vector,
        objective=float(sums.objective.sum()),
        rmsds=np.sqrt(sums.squares.sum(axis=0) / n),
        n=n,
    )


def _flagged(
    table: Reflections, used: NDArray[np.int64], outliers: NDArray[np.int64]
) -> Reflections:
    flags = table["flags"] & ~np.uint32(Flag.USED_IN_REFINEMENT | Flag.CENTROID_OUTLIER)
    flags[used] |= np.uint32(Flag.USED_IN_REFINEMENT)
    flags[outliers] |= np.uint32(Flag.CENTROID_OUTLIER)
    return {**table, "flags": flags}
