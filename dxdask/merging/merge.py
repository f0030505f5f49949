"""The step `merge`: scaled observations in, unique reflections and merging statistics out."""

from __future__ import annotations

import numpy as np

from dxdask.columns import Reflections, select
from dxdask.errors import InputError
from dxdask.merging.equivalents import (
    Sums,
    combine,
    first_pass,
    mergeable,
    merged_table,
    second_pass,
)
from dxdask.merging.parameters import MergingParameters
from dxdask.merging.statistics import merging_tables
from dxdask.models import ExperimentList
from dxdask.models.symmetry import spacings
from dxdask.results import StepResult
from dxdask.scaling.observations import common_symmetry


def merge(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: MergingParameters | None = None,
) -> StepResult:
    """Merge scaled observations of the same unique reflection, weighted by one over their variance.

    Parameters
    ----------
    reflections : scaled: experiment, hkl, flags, intensity, intensity_variance (and z_cal,
        partiality, where known).
    experiments : with crystals of one space group.
    parameters : which observations, and how shown.

    Returns
    -------
    StepResult
        reflections: hkl in the asymmetric unit (gemmi's), d, intensity, sigma, n_observations, and
        intensity_plus, sigma_plus, intensity_minus, sigma_minus with `anomalous`, nan where not
        seen; sorted by hkl. Tables `shells` and `overall`.

    Raises
    ------
    SchemaError
        A column is missing.
    InputError
        There is no crystal, space groups differ, or nothing is scaled.
    """
    parameters = parameters or MergingParameters()
    first = first_sums(reflections, experiments, parameters)
    second = second_sums(reflections, experiments, parameters, first)
    return finish(first, second, experiments, parameters)


def _parts(reflections: Reflections) -> list[Reflections]:
    """Return the reflections of each experiment that has any, in order of experiments."""
    experiment = reflections["experiment"]
    order = np.argsort(experiment, kind="stable")
    bounds = (
        np.flatnonzero(np.diff(experiment[order], prepend=-1))
        if len(order)
        else np.zeros(0, dtype=np.int64)
    )
    return [select(reflections, rows) for rows in np.split(order, bounds[1:])]


def first_sums(
    reflections: Reflections, experiments: ExperimentList, parameters: MergingParameters
) -> Sums:
    """Return the sums of the first pass over these reflections; those of several sets are their
    `combine`.
    """
    cell, group = common_symmetry(experiments)
    parts = [
        first_pass(p, mergeable(p, cell, group, parameters), group) for p in _parts(reflections)
    ]
    return combine(parts)


def second_sums(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: MergingParameters,
    first: Sums,
) -> Sums:
    """Return the sums of the second pass over these reflections, given those of the first over
    all.
    """
    cell, group = common_symmetry(experiments)
    parts = [
        second_pass(p, mergeable(p, cell, group, parameters), group, first)
        for p in _parts(reflections)
    ]
    return combine(parts)


def finish(
    first: Sums, second: Sums, experiments: ExperimentList, parameters: MergingParameters
) -> StepResult:
    """Return the merged reflections and statistics of the sums over all observations."""
    cell, group = common_symmetry(experiments)
    if not len(first.keys):
        raise InputError(
            "no reflection to merge: none is flagged SCALED within the limits; run scale, "
            "or widen d_min"
        )
    table = merged_table(first, second, parameters)
    table["d"] = spacings(table["hkl"], cell)
    shells, overall = merging_tables(
        first, second, table["sigma"], cell, group, n_shells=parameters.merging.nbins
    )
    row = overall.rows[0]
    messages = (
        f"Merged {row['n_obs']} observations to {row['n_unique']} unique reflections "
        f"of space group {group.xhm()}",
    )
    return StepResult(
        experiments=experiments, reflections=table, tables=(shells, overall), messages=messages
    )
