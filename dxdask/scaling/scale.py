"""The step `scale`, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, check, n_rows
from dxdask.errors import InputError
from dxdask.models import ExperimentList
from dxdask.models.symmetry import spacings
from dxdask.results import StepResult
from dxdask.scaling.cells import require_one_form
from dxdask.scaling.filtering import on_images, scale_and_filter
from dxdask.scaling.intensities import blocks_of_rows
from dxdask.scaling.model import needs_of
from dxdask.scaling.observations import (
    NEEDED,
    Observations,
    common_symmetry,
    observations,
    usable_rows,
)
from dxdask.scaling.parameters import ScalingParameters
from dxdask.scaling.reports import exclusion_table, exclusions, warnings
from dxdask.scaling.scaled import Scaled
from dxdask.scaling.tables import scaling_messages, scaling_tables
from dxdask.scaling.variables import Variables, columns_of, variables_of

if TYPE_CHECKING:
    from dxdask.reindex import Reference

_LEAST_SIGNAL = 3.0  # mean intensity of all observations, in standard errors
_OWN_FLAGS = Flag.BAD_FOR_SCALING | Flag.SCALED


def scale(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: ScalingParameters | None = None,
    *,
    reference: Reference | None = None,
) -> StepResult:
    """Scale all observations, reject outliers and correct the errors.

    The scale of an observation is a function, smooth along the scan of its experiment, of the
    rotation and (as a relative B factor) the resolution; see `dxdask.scaling.model`. It is fitted
    to the differences between symmetry equivalents. The intensity is lp / (qe partiality) times the
    summed or fitted one, or the best combination of the two (`dxdask.scaling.intensities`).

    All reflections are needed at once: memory is some 300 bytes for each. The step of a store reads
    only the columns that it needs, and keeps none but the observations during the fit.

    Parameters
    ----------
    reflections : integrated: experiment, hkl, flags, z_cal, partiality, lp, qe, intensity_sum and
        its variance, and the columns of the fitted intensities where there are any.
    experiments : with crystals of one space group (in P 1, repeated runs and Friedel mates are the
        equivalents).
    parameters : None for the defaults, which are those of DIALS.
    reference : intensities that are scaled against, in the axes of the experiments; None to scale
        the equivalents to each other alone.

    Returns
    -------
    StepResult
        reflections with `scale` (divide the corrected intensity by it), `intensity` (scaled),
        `intensity_variance` (by the error model) and the flags SCALED, OUTLIER_IN_SCALING,
        EXCLUDED_FOR_SCALING, USER_EXCLUDED_IN_SCALING; intensity and variance are 0 where excluded.
        Tables `summary`, `runs`, `error_model`, `error_model_bins`, `validation` (with absorption
        chosen by the free set), `delta_cc_half` (of several runs), `exclusions`.

    Raises
    ------
    SchemaError
        A column is missing.
    InputError
        There is no crystal, space groups or cells differ, no reflection is usable, all variances
        are 0, or the mean intensity is not significant.
    ParameterError
        `exclude_images` names a run or images that are not there.
    """
    parameters = parameters or ScalingParameters()
    chosen = chosen_observations(reflections, experiments, parameters)
    scaled = scale_and_filter(
        chosen.observations, experiments, chosen.group, parameters, chosen.variables, reference
    )
    result = scaled_result(reflections, experiments, chosen, scaled, parameters)
    return replace(result, reflections={**reflections, **result.reflections})


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenObservations:
    """Observations that are scaled, of a table of n reflections.

    Attributes
    ----------
    observations, variables : used in scaling, and what their scales depend on.
    well, kept : (n,) integrated well, and used in scaling.
    d : (n,) Angstrom. cell, group : common to the experiments. excluded : rows (reason, n) of the
    reflections that are not scaled.
    """

    observations: Observations
    variables: Variables
    well: NDArray[np.bool_]
    kept: NDArray[np.bool_]
    d: Floats
    cell: gemmi.UnitCell
    group: gemmi.SpaceGroup
    excluded: Sequence[Mapping[str, Any]]


def chosen_observations(
    reflections: Reflections, experiments: ExperimentList, parameters: ScalingParameters
) -> ChosenObservations:
    """Return the observations that are scaled; parameters, columns and errors as in `scale`."""
    check({k: reflections[k] for k in NEEDED if k in reflections}, NEEDED)
    require_one_form(experiments)
    cell, group = common_symmetry(experiments)
    d = spacings(
        np.where((reflections["hkl"] == 0).all(axis=1)[:, None], 1, reflections["hkl"]), cell
    )
    choice = parameters.reflection_selection.intensity_choice
    well, kept = usable_rows(reflections, d, parameters.cut_data, choice)
    excluded = on_images(reflections, experiments, parameters.exclude_images)
    kept &= ~excluded
    left_out = exclusions(reflections, d, well, kept, excluded, parameters.cut_data)
    if not kept.any():
        reasons = ", ".join(f"{row['reason']} {row['n']}" for row in left_out)
        raise InputError(
            f"no reflection of {n_rows(reflections)} can be scaled: {reasons or 'there is none'}; "
            "check the summary of integrate (flags INTEGRATED_SUM and INTEGRATED_PRF), cut_data "
            "and exclude_images"
        )
    obs = observations(
        reflections,
        np.flatnonzero(kept),
        cell,
        group,
        anomalous=parameters.anomalous,
        expected=parameters.weighting.counting_variance == "expected",
        choice=choice,
    )
    _require_errors(reflections["intensity_sum_variance"][obs.rows], obs)
    _require_signal(obs)
    needs = needs_of(experiments, parameters)
    return ChosenObservations(
        observations=obs,
        variables=variables_of(
            reflections, obs.rows, obs.d[obs.group], experiments, **_wanted(needs)
        ),
        well=well,
        kept=kept,
        d=d,
        cell=cell,
        group=group,
        excluded=left_out,
    )


def _require_errors(variance: Floats, obs: Observations) -> None:
    """Raise an InputError if all intensities are sums, and all variances (n,) are 0."""
    if obs.estimates.has_sum.all() and not variance.any() and (obs.intensity > 0).any():
        raise InputError(
            f"the variances of all {len(obs)} intensities are 0: their errors are missing; "
            "integrate the frames again, or import intensities with their errors"
        )


def _require_signal(obs: Observations) -> None:
    """Raise an InputError if the mean intensity is not significant: there is nothing to scale."""
    sigma = np.sqrt(np.maximum(obs.variance + obs.counts * np.abs(obs.intensity), 0.0))
    total, error = float(obs.intensity.sum()), float(np.sqrt((sigma**2).sum()))
    if not total > _LEAST_SIGNAL * error:
        raise InputError(
            f"the mean intensity of {len(obs)} observations is {total / len(obs):.3g}, not "
            f"significant beside its error of {error / len(obs):.3g}: check that the crystal "
            "diffracts and is indexed right, or set cut_data.d_min"
        )


def _wanted(needs: frozenset[str]) -> dict[str, bool]:
    return {"detector": "detector" in needs, "directions": "directions" in needs}


def columns_after(experiments: ExperimentList, parameters: ScalingParameters) -> tuple[str, ...]:
    """Return the columns that `scaled_result` reads."""
    return ("flags", *columns_of(**_wanted(needs_of(experiments, parameters))))


def scaled_result(
    reflections: Reflections,
    experiments: ExperimentList,
    chosen: ChosenObservations,
    scaled: Scaled,
    parameters: ScalingParameters,
) -> StepResult:
    """Return the columns that scaling adds or changes, and its tables and messages.

    reflections : those that `chosen` is of; columns `columns_after`.
    """
    obs, well, kept = scaled.observations, chosen.well, chosen.kept
    flags = reflections["flags"] & ~np.uint32(_OWN_FLAGS)
    flags[~well] |= np.uint32(Flag.EXCLUDED_FOR_SCALING)
    flags[well & ~kept] |= np.uint32(Flag.USER_EXCLUDED_IN_SCALING)
    own = np.where(scaled.outlier, Flag.OUTLIER_IN_SCALING, Flag.SCALED)
    own = np.where(scaled.faint, Flag.EXCLUDED_FOR_SCALING, own)
    own = np.where(scaled.removed, Flag.USER_EXCLUDED_IN_SCALING, own)
    flags[obs.rows] |= own.astype(np.uint32)
    left_out = exclusion_table(chosen.excluded, scaled)
    return StepResult(
        experiments=experiments,
        reflections={
            "experiment": reflections["experiment"],
            "flags": flags,
            **_scales(reflections, experiments, chosen.d, scaled),
        },
        tables=(
            *scaling_tables(len(well), int((~kept).sum()), experiments, scaled),
            left_out,
        ),
        messages=(
            *scaling_messages(chosen.group.xhm(), chosen.cell.parameters, scaled, parameters),
            *warnings(scaled, len(well), left_out.rows),
        ),
    )


def _scales(
    reflections: Reflections, experiments: ExperimentList, d: Floats, scaled: Scaled
) -> Reflections:
    """Return scale, intensity and intensity_variance of all reflections.

    The scale is nan where z_cal is not known.
    """
    obs = scaled.observations
    scale = np.full(len(d), np.nan)
    known = np.flatnonzero(np.isfinite(reflections["z_cal"]))
    # the design of all reflections at once is larger than their columns
    for block in blocks_of_rows(len(known)):
        rows = known[block]
        variables = variables_of(
            reflections, rows, d[rows], experiments, **_wanted(scaled.model.needs)
        )
        scale[rows] = scaled.model.design(variables).scales(scaled.parameters)
    scale[obs.rows] = scaled.g
    table: Reflections = {"scale": scale}
    for name, values in (
        ("intensity", obs.intensity / scaled.g),
        ("intensity_variance", scaled.variance / scaled.g**2),
    ):
        table[name] = np.zeros(len(d))
        table[name][obs.rows] = values
    return table
