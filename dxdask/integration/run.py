"""The step for one run: what to predict, and the result once all frames are added up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dxdask.columns import Reflections, check, concatenate, n_rows, select
from dxdask.errors import InputError
from dxdask.integration.boxes import add_boxes
from dxdask.integration.context import IntegrationContext
from dxdask.integration.parameters import IntegrationParameters
from dxdask.integration.prediction import predict_rays
from dxdask.integration.profile_fit import fitted
from dxdask.integration.summary import integration_messages, integration_tables
from dxdask.integration.summation import summed
from dxdask.integration.sums import PixelSums
from dxdask.models import Experiment, ExperimentList
from dxdask.results import StepResult
from dxdask.tables import Table


def predict(
    experiment: Experiment,
    *,
    d_min: float | None = None,
    d_max: float | None = None,
    padding: float = 1.0,
    min_zeta: float = 0.0,
    experiment_index: int = 0,
) -> Reflections:
    """Return all reflections of a crystal that a scan records.

    Parameters
    ----------
    experiment : with crystal, scan and goniometer. Where it has a profile, reflections that do not
        reach into the scan are left out, and bbox and partiality are given.
    d_min, d_max : Angstrom; d_min None is the highest resolution at the detector's corners.
    padding : degrees by which centres may lie outside the scan.
    min_zeta : those closer to the spindle are left out.
    experiment_index : what the column `experiment` is to hold.

    Returns
    -------
    Reflections
        Columns experiment, panel, hkl, flags, entering, s1, x_cal, y_cal, z_cal, x_cal_mm,
        y_cal_mm, phi_cal_rad, d, zeta, lp, qe, and with a profile bbox, partiality; sorted by hkl.

    Raises
    ------
    InputError
        The experiment has no crystal or is not a rotation.
    """
    rays = predict_rays(experiment, d_min=d_min, d_max=d_max, padding=padding)
    rays = select(rays, np.abs(rays["zeta"]) >= min_zeta)
    if experiment.profile is not None:
        rays = add_boxes(rays, experiment)
    index = np.full(n_rows(rays), experiment_index, dtype=np.int32)
    return check({"experiment": index} | rays)


def predict_from_parameters(
    experiment: Experiment, parameters: IntegrationParameters, experiment_index: int = 0
) -> Reflections:
    """Return `predict` with what the parameters say."""
    p = parameters.prediction
    return predict(
        experiment,
        d_min=p.d_min,
        d_max=p.d_max,
        padding=p.padding,
        min_zeta=parameters.profile.min_zeta,
        experiment_index=experiment_index,
    )


def finish(
    sums: PixelSums,
    predicted: Reflections,
    context: IntegrationContext,
    experiment: Experiment,
    problems: Sequence[Mapping[str, Any]] = (),
) -> StepResult:
    """Return the result of one run from the sums over all its frames."""
    reflections = summed(predicted, sums, context.shapes, experiment.detector)
    calibration = None
    if context.fit.fitting:
        reflections, calibration = fitted(reflections, sums, context, experiment)
    return StepResult(
        experiments=ExperimentList.of([experiment]),
        reflections=check(reflections),
        tables=integration_tables(reflections, experiment),
        messages=integration_messages(reflections, experiment, calibration),
        problems=tuple(problems),
    )


def combine_runs(results: Sequence[StepResult], experiments: ExperimentList) -> StepResult:
    """Return the results of several runs as one; `experiments` are theirs, in order."""
    if not results:
        raise InputError("no run was integrated; index and refine some first")
    names = [t.name for t in results[0].tables]
    joined = tuple(_joined([r.table(name) for r in results]) for name in names)
    return StepResult(
        experiments=experiments,
        reflections=concatenate([r.reflections for r in results]),
        tables=joined,
        messages=tuple(m for r in results for m in r.messages),
        problems=tuple(p for r in results for p in r.problems),
    )


def _joined(tables: Sequence[Table]) -> Table:
    first = tables[0]
    rows = [row for t in tables for row in t.rows]
    return Table(name=first.name, title=first.title, rows=rows, headings=first.headings)
