"""Refinement of the models against the centroids of indexed reflections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dxdask.arrays import Integers
from dxdask.columns import Flag, Reflections, check, select
from dxdask.models import ExperimentList
from dxdask.models.sharing import share_equal, with_geometry_of
from dxdask.models.smoother import Smoother
from dxdask.refinement import summary
from dxdask.refinement.auto_reduction import auto_reduce
from dxdask.refinement.parameter_tables import parameters_table, parts_table
from dxdask.refinement.parameterise import free_models, require_crystals
from dxdask.refinement.parameters import RefinementParameters
from dxdask.refinement.predict import COLUMNS_NEEDED, predict
from dxdask.refinement.scan_varying import VaryingCrystals, varying_crystals
from dxdask.refinement.selection import VARIANCES, Selection, select_reflections
from dxdask.refinement.sweeps import SweepFit, fit_sweeps, sweep_rows
from dxdask.refinement.varying_beams import range_of, static_beams, varying_beams
from dxdask.results import StepResult


def refine(
    reflections: Reflections, experiments: ExperimentList, parameters: RefinementParameters
) -> StepResult:
    """Refine beams, goniometers, detectors and crystals; beams and crystals may vary along scans.

    Models that experiments share, and equal ones by default, are refined once. The target is the
    weighted sum of squared residuals in x, y (mm) and phi (rad) (Waterman et al. 2016, Acta Cryst.
    D72, 558); outliers are rejected first. All models are static at first. Then beams vary along
    the scan where that is asked for, and crystals where that is asked for or predicts left-out
    reflections better.

    Parameters
    ----------
    reflections : columns experiment, panel, hkl, flags, x_mm, y_mm, phi_rad and their variances.
        Those with the flag INDEXED are used; x_mm, y_mm are on the panels of `experiments`.
    experiments : rotation data with crystals; those without one change only with the models that
        they share.
    parameters : see `RefinementParameters`.

    Returns
    -------
    StepResult
        The refined models (crystals with `cell_su`); the table with predictions of all indexed
        reflections (see `predict`), the flags USED_IN_REFINEMENT and CENTROID_OUTLIER; tables
        steps, rmsds, crystals, panels and, where asked for or refined, parts, intervals and
        parameters.

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
    require_crystals(experiments)
    sharing = parameters.sharing
    start = share_equal(
        static_beams(experiments),
        beam=sharing.beam == "equal",
        detector=sharing.detector == "equal",
        goniometer=sharing.goniometer == "equal",
    )
    found = _fit(reflections, start, parameters, {}, {})
    messages = [*_shared_message(experiments, start), *found.messages]
    tables = []
    beams = varying_beams(reflections, found.experiments, parameters.parameterisation, found.used)
    if beams.smoothers:
        found = _fit(reflections, beams.experiments, parameters, {}, beams.smoothers)
        messages += found.messages
    choice = varying_crystals(
        reflections, found.experiments, parameters, found.used, found.selection.entering
    )
    if choice.smoothers:
        messages.append(_varying_message(choice))
        found = _fit(reflections, choice.experiments, parameters, choice.smoothers, beams.smoothers)
        messages += found.messages
    messages += _beams_message(found.experiments)
    if choice.table.rows:
        tables.append(choice.table)
    if parameters.refinery.track_parameter_correlation:
        tables.append(parameters_table(found.fit))
    # The side of the sphere is kept, so that the tables show the target that was minimised.
    outliers = found.selection.outliers
    table = {
        **_flagged(reflections, found.used, outliers), "entering": found.selection.entering
    }  # fmt: skip
    table = predict(table, found.experiments)
    used = select(table, found.used)
    parts = parts_table(found.fit)
    return StepResult(
        experiments=with_geometry_of(found.experiments, experiments),
        reflections=table,
        tables=(
            summary.steps_table(found.fit.cycles),
            summary.rmsds_table(used, found.experiments),
            summary.crystals_table(found.experiments),
            summary.panels_table(start, found.experiments),
            *((parts,) if parts.rows else ()),
            *tables,
        ),
        messages=tuple(messages),
    )


class _Fitted(NamedTuple):
    """A fit with the reflections that were used, and its messages."""

    fit: SweepFit
    experiments: ExperimentList
    selection: Selection
    used: Integers
    messages: list[str]


def _fit(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: RefinementParameters,
    smoothers: Mapping[int, Smoother],
    beam_smoothers: Mapping[int, Smoother],
) -> _Fitted:
    """Return the fit of models to reflections, those selected by their residuals at the start."""
    selection = select_reflections(reflections, experiments, parameters.reflections)
    rule = parameters.parameterisation.auto_reduction
    models = free_models(experiments, parameters.parameterisation, smoothers, beam_smoothers)
    models, used, notes = auto_reduce(models, reflections, selection.used, rule)
    strategy = parameters.reflections.weighting_strategy
    rows = sweep_rows(reflections, experiments, models.crystals, used, selection.entering, strategy)
    fit = fit_sweeps(models, rows, parameters.refinery)
    n_exp, n_out = len(np.unique(rows.experiment)), len(selection.outliers)
    messages = [
        f"{selection.n_matched} observations matched to predictions",
        f"{n_out} reflections have been flagged as outliers ({n_out / selection.n_matched:.1%})",
        *notes,
        f"There are {models.n_parameters} parameters to refine against {len(used)} reflections "
        f"in 3 dimensions; {n_exp} experiment{'s' if n_exp > 1 else ''}",
        fit.reason,
    ]
    return _Fitted(fit, fit.experiments, selection, used, messages)


def _shared_message(before: ExperimentList, shared: ExperimentList) -> list[str]:
    """Return the message on the models that runs share."""
    n = len(before.runs)
    if n < 2:
        return []
    counts = [
        (len(shared.detectors), "detector"), (len(shared.beams), "beam"),
        (len(shared.goniometers), "goniometer"), (len(shared.crystals), "crystal"),
    ]  # fmt: skip
    text = ", ".join(f"{k} {name}{'s' if k != 1 else ''}" for k, name in counts)
    return [f"{n} runs share {text} (sharing.detector=each for one detector a run)"]


def _varying_message(choice: VaryingCrystals) -> str:
    taken = [row for row in choice.table.rows if row["taken"]]
    widths = ", ".join(
        f"{row['run']}: {row['interval_width_degrees']:.0f}" for row in taken if row["n_intervals"]
    )
    return f"Crystals vary along the scan; intervals in degrees: {widths}"


def _beams_message(experiments: ExperimentList) -> list[str]:
    """Return the message on the beams that vary along their scans."""
    ranges = {e.run: range_of(e.beam) for e in experiments if e.beam.s0_at_scan_points is not None}
    if not ranges:
        return []
    text = ", ".join(f"{run}: {degrees:.4f}" for run, degrees in ranges.items())
    return [f"Beams vary along the scan; largest angles from their mean in degrees: {text}"]


def _flagged(table: Reflections, used: Integers, outliers: Integers) -> Reflections:
    flags = table["flags"] & ~np.uint32(Flag.USED_IN_REFINEMENT | Flag.CENTROID_OUTLIER)
    flags[used] |= np.uint32(Flag.USED_IN_REFINEMENT)
    flags[outliers] |= np.uint32(Flag.CENTROID_OUTLIER)
    return {**table, "flags": flags}
