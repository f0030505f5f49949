"""The step `scale`, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, check, n_rows
from dxdask.errors import InputError
from dxdask.models import ExperimentList
from dxdask.models.symmetry import spacings
from dxdask.results import StepResult
from dxdask.scaling.fit import scales_of
from dxdask.scaling.intensities import blocks_of_rows
from dxdask.scaling.observations import (
    NEEDED,
    Observations,
    common_symmetry,
    observations,
    usable_rows,
)
from dxdask.scaling.parameters import ScalingParameters
from dxdask.scaling.reports import exclusion_table, exclusions, warnings
from dxdask.scaling.rounds import Scaled, scale_observations
from dxdask.tables import Table

_OWN_FLAGS = Flag.BAD_FOR_SCALING | Flag.SCALED


def scale(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: ScalingParameters | None = None,
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

    Returns
    -------
    StepResult
        reflections with `scale` (divide the corrected intensity by it), `intensity` (scaled),
        `intensity_variance` (by the error model) and the flags SCALED, OUTLIER_IN_SCALING,
        EXCLUDED_FOR_SCALING, USER_EXCLUDED_IN_SCALING; intensity and variance are 0 where excluded.
        Tables `summary`, `runs`, `error_model`, `error_model_bins`, `exclusions`.

    Raises
    ------
    SchemaError
        A column is missing.
    InputError
        There is no crystal, space groups differ, or no reflection is usable.
    """
    parameters = parameters or ScalingParameters()
    chosen = chosen_observations(reflections, experiments, parameters)
    scaled = scale_observations(chosen.observations, experiments, chosen.group, parameters)
    result = scaled_result(reflections, experiments, chosen, scaled, parameters)
    return replace(result, reflections={**reflections, **result.reflections})


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenObservations:
    """Observations that are scaled, of a table of n reflections.

    Attributes
    ----------
    observations : used in scaling. well, kept : (n,) integrated well, and used in scaling.
    d : (n,) Angstrom. cell, group : common to the experiments. excluded : rows (reason, n) of the
    reflections that are not scaled.
    """

    observations: Observations
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
    cell, group = common_symmetry(experiments)
    d = spacings(
        np.where((reflections["hkl"] == 0).all(axis=1)[:, None], 1, reflections["hkl"]), cell
    )
    choice = parameters.reflection_selection.intensity_choice
    well, kept = usable_rows(reflections, d, parameters.cut_data, choice)
    if not kept.any():
        raise InputError(
            f"no reflection of {n_rows(reflections)} can be scaled: {int(well.sum())} were "
            "integrated well, the others lack the flags INTEGRATED_SUM and INTEGRATED_PRF or have "
            "bad pixels; check cut_data and the summary of integrate"
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
    return ChosenObservations(
        observations=obs,
        well=well,
        kept=kept,
        d=d,
        cell=cell,
        group=group,
        excluded=exclusions(reflections, d, well, kept, parameters.cut_data),
    )


def scaled_result(
    reflections: Reflections,
    experiments: ExperimentList,
    chosen: ChosenObservations,
    scaled: Scaled,
    parameters: ScalingParameters,
) -> StepResult:
    """Return the columns that scaling adds or changes, and its tables and messages.

    reflections : those that `chosen` is of; columns experiment, z_cal, flags.
    """
    obs, well, kept = scaled.observations, chosen.well, chosen.kept
    flags = reflections["flags"] & ~np.uint32(_OWN_FLAGS)
    flags[~well] |= np.uint32(Flag.EXCLUDED_FOR_SCALING)
    flags[well & ~kept] |= np.uint32(Flag.USER_EXCLUDED_IN_SCALING)
    own = np.where(scaled.outlier, Flag.OUTLIER_IN_SCALING, Flag.SCALED)
    own = np.where(scaled.faint, Flag.EXCLUDED_FOR_SCALING, own)
    flags[obs.rows] |= own.astype(np.uint32)
    left_out = exclusion_table(chosen.excluded, scaled)
    return StepResult(
        experiments=experiments,
        reflections={
            "experiment": reflections["experiment"],
            "flags": flags,
            **_scales(reflections, chosen.d, scaled),
        },
        tables=(*_tables(len(well), int((~kept).sum()), obs, experiments, scaled), left_out),
        messages=(
            *_messages(chosen.group.xhm(), chosen.cell.parameters, scaled, parameters),
            *warnings(scaled, len(well), left_out.rows),
        ),
    )


def _scales(reflections: Reflections, d: Floats, scaled: Scaled) -> Reflections:
    """Return scale, intensity and intensity_variance of all reflections."""
    obs = scaled.observations
    scale = np.empty(len(d))
    # the design of all reflections at once is larger than their columns
    for rows in blocks_of_rows(len(d)):
        index, value = scaled.model.design(
            reflections["experiment"][rows], reflections["z_cal"][rows], d[rows]
        )
        scale[rows] = scales_of(index, value, scaled.parameters)
    scale[obs.rows] = scaled.g
    table: Reflections = {"scale": scale}
    for name, values in (
        ("intensity", obs.intensity / scaled.g),
        ("intensity_variance", scaled.variance / scaled.g**2),
    ):
        table[name] = np.zeros(len(d))
        table[name][obs.rows] = values
    return table


def _messages(
    group: str, cell: tuple[float, ...], scaled: Scaled, parameters: ScalingParameters
) -> tuple[str, ...]:
    errors, options = scaled.error_model, parameters.scaling_options
    lines = [
        f"Space group being used during scaling is {group}",
        f"Using median unit cell across experiments : ({', '.join(f'{x:.4f}' for x in cell)})",
        f"Parameters refined: {scaled.model.n_scales} of scale, "
        f"{scaled.model.n_parameters - scaled.model.n_scales} of decay, "
        f"in {len(scaled.costs)} rounds",
    ]
    both = scaled.observations.estimates
    if both.has_fit.any():
        lines.append(
            f"Intensities: {int((both.has_sum & both.has_fit).sum())} combined of summed and "
            f"fitted ones, {int((~both.has_sum).sum())} fitted only, "
            f"{int((~both.has_fit).sum())} summed only"
        )
    if options.outlier_rejection != "None":
        lines.append(
            f"{int(scaled.outlier.sum())} outliers have been identified "
            f"(z > {options.outlier_zmax:g} or E² > {options.emax**2:g})"
        )
    if parameters.weighting.error_model.error_model == "basic":
        lines.append(f"Error model: σ'² = a²(σ² + (bI)²), a = {errors.a:.5f}, b = {errors.b:.5f}")
    return tuple(lines)


def _tables(
    n_all: int, n_excluded: int, obs: Observations, experiments: ExperimentList, scaled: Scaled
) -> tuple[Table, ...]:
    sizes = np.diff(obs.offsets)
    outliers, faint = int(scaled.outlier.sum()), int(scaled.faint.sum())
    n_excluded += faint
    summary = {
        "n_reflections": n_all,
        "n_excluded": n_excluded,
        "n_outliers": outliers,
        "n_scaled": len(obs) - outliers - faint,
        "n_groups": len(sizes),
        "n_groups_seen_once": int((sizes == 1).sum()),
    }
    errors = scaled.error_model
    limit = 1.0 / (errors.a * errors.b) if errors.b > 0 else None
    model = {"a": errors.a, "b": errors.b, "i_over_sigma_limit": limit}
    bins = {
        "i_max": ("<Ih>\nmax", ".2f"),
        "i_min": ("<Ih>\nmin", ".2f"),
        "n": ("n_refl", "d"),
        "uncorrected_variance": ("Uncorrected\nvariance", ".3f"),
        "corrected_variance": ("Corrected\nvariance", ".3f"),
    }
    runs = {
        "transmission": ("transmission", ".4g"),
        "scale": ("mean\nscale", ".5f"),
        "scale_min": ("least\nscale", ".5f"),
        "scale_max": ("largest\nscale", ".5f"),
        "b_min": ("least B", ".3f"),
        "b_max": ("largest B", ".3f"),
    }
    return (
        Table(name="summary", title="Summary of scaling", rows=[summary]),
        Table(
            name="runs",
            title="Scales by run",
            rows=_run_rows(obs, experiments, scaled),
            headings=runs,
        ),
        Table(
            name="error_model",
            title="Error model σ'² = a²(σ² + (bI)²)",
            rows=[model],
            headings={
                "a": ("a", ".5f"),
                "b": ("b", ".5f"),
                "i_over_sigma_limit": ("I/sigma\nlimit", ".2f"),
            },
        ),
        Table(
            name="error_model_bins",
            title="Variances of normalised deviations by mean intensity",
            rows=scaled.error_rows,
            headings=bins,
        ),
    )


def _run_rows(
    obs: Observations, experiments: ExperimentList, scaled: Scaled
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    place = scaled.model.n_scales
    b_factors: list[tuple[float, float]] = []
    for smoother in scaled.model.decays:
        mine = scaled.parameters[place : place + smoother.n_points]
        b_factors.append((float(mine.min()), float(mine.max())))
        place += smoother.n_points
    order = np.argsort(obs.experiment, kind="stable")
    bounds = np.searchsorted(obs.experiment[order], np.arange(len(experiments) + 1))
    for i, experiment in enumerate(experiments):
        own = order[bounds[i] : bounds[i + 1]]
        g = scaled.g[own]
        rows.append(
            {
                "run": experiment.run,
                "transmission": float(experiment.beam.transmission),
                "scale": float(g.mean()) if len(g) else None,
                "scale_min": float(g.min()) if len(g) else None,
                "scale_max": float(g.max()) if len(g) else None,
                "b_min": b_factors[i][0] if b_factors else None,
                "b_max": b_factors[i][1] if b_factors else None,
                "n": len(own),
                "n_outliers": int(scaled.outlier[own].sum()),
            }
        )
    return rows
