"""The step `merge`, in memory and as its two passes over parts of the observations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dxdask.arrays import Mask
from dxdask.columns import Reflections, check, select
from dxdask.errors import InputError
from dxdask.merging.checks import data_warnings
from dxdask.merging.details import with_details
from dxdask.merging.equivalents import (
    NEEDED,
    EquivalentSums,
    combine_equivalents,
    first_pass,
    mergeable,
    merged_table,
    scatter_variance,
    second_pass,
)
from dxdask.merging.parameters import MergingParameters
from dxdask.merging.statistics import cc_half_sigma_tau, r_factors
from dxdask.merging.tables import MergedIntensities, Statistics, intensities_of, merging_tables
from dxdask.models import ExperimentList
from dxdask.models.symmetry import spacings
from dxdask.results import StepResult
from dxdask.scaling.cells import require_one_form
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
    parameters : None for the defaults.

    Returns
    -------
    StepResult
        reflections: hkl in the asymmetric unit (gemmi's), d, intensity, sigma, n_observations, and
        intensity_plus, sigma_plus, intensity_minus, sigma_minus with `anomalous`, nan where not
        seen, n_plus, n_minus; with `truncate` amplitudes of them; sorted by hkl. Tables `shells`,
        `overall`, `summary`, `half_sets`, `resolution_limits`, `runs` and `batches`.

    Raises
    ------
    SchemaError
        A column is missing or ill shaped.
    InputError
        There is no crystal, space groups or cells differ, or nothing is scaled.
    """
    parameters = parameters or MergingParameters()
    present = [name for name in (*NEEDED, "z_cal", "partiality") if name in reflections]
    check({name: reflections[name] for name in present}, NEEDED)
    warnings = require_one_form(experiments)
    first = first_sums(reflections, experiments, parameters)
    second = second_sums(reflections, experiments, parameters, first)
    result = finish(first, second, experiments, parameters)
    warnings += data_warnings(reflections, intensities_of(result.reflections))
    detailed = with_details(result, reflections, second, parameters)
    detailed = replace(detailed, messages=(*detailed.messages, *warnings))
    limit = detailed.table("resolution_limits").rows[0]["d_cc_half"]
    d_min = float(result.reflections["d"].min())
    if not parameters.resolution.apply or parameters.d_min or limit is None or limit <= d_min:
        return detailed
    cut = parameters.model_copy(update={"d_min": limit})
    again = merge(reflections, experiments, cut)
    line = f"Merged to {limit:.2f} A, the limit by CC1/2; the data reach {d_min:.2f} A"
    return replace(again, messages=(line, *again.messages))


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
) -> EquivalentSums:
    """Return the sums of the first pass over these reflections.

    Those of several sets of reflections are added by `combine_equivalents`.
    """
    cell, group = common_symmetry(experiments)
    parts = [
        first_pass(p, mergeable(p, cell, group, parameters), group) for p in _parts(reflections)
    ]
    return combine_equivalents(parts)


def second_sums(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: MergingParameters,
    first: EquivalentSums,
) -> EquivalentSums:
    """Return the sums of the second pass over these reflections.

    first : sums of the first pass over all reflections.
    """
    cell, group = common_symmetry(experiments)
    parts = [
        second_pass(p, mergeable(p, cell, group, parameters), group, first)
        for p in _parts(reflections)
    ]
    return combine_equivalents(parts)


def finish(
    first: EquivalentSums,
    second: EquivalentSums,
    experiments: ExperimentList,
    parameters: MergingParameters,
) -> StepResult:
    """Return the merged reflections and statistics of the sums over all observations."""
    cell, group = common_symmetry(experiments)
    if not len(first.keys):
        raise InputError(
            "no reflection to merge: none with a positive variance is flagged SCALED within the "
            "limits; run scale, or widen d_min"
        )
    table = merged_table(first, second, parameters)
    table["d"] = spacings(table["hkl"], cell)
    merged = intensities_of(table)
    shells, overall = merging_tables(
        merged,
        _statistics_of(merged, first, second),
        cell,
        group,
        n_shells=parameters.merging.nbins,
    )
    row = overall.rows[0]
    messages = (
        f"Merged {row['n_obs']} observations to {row['n_unique']} unique reflections "
        f"of space group {group.xhm()}",
    )
    return StepResult(
        experiments=experiments, reflections=table, tables=(shells, overall), messages=messages
    )


def _statistics_of(
    merged: MergedIntensities, first: EquivalentSums, second: EquivalentSums
) -> Statistics:
    variance = scatter_variance(first, second)
    deviation, _, total, _ = second.values.T

    def statistics(rows: Mask) -> dict[str, float | None]:
        factors = r_factors(deviation[rows], merged.n[rows], total[rows])
        return factors | {"cc_half": cc_half_sigma_tau(merged.intensity[rows], variance[rows])}

    return statistics
