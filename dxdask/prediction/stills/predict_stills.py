"""Reflections of several stills, as a table."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dxdask.columns import Flag, Reflections, concatenate, empty, select
from dxdask.errors import InputError
from dxdask.geometry.required import require_crystal
from dxdask.models import Experiment, ExperimentList
from dxdask.prediction.absences import is_absent
from dxdask.prediction.parameters import PredictionParameters, require_possible
from dxdask.prediction.stills.models import RunOfStills, run_of_stills
from dxdask.prediction.stills.predict_still import Predictions, predict_still
from dxdask.prediction.stills.spread import spread_of
from dxdask.still_columns import Stills, check_stills

COLUMN_NAMES = (
    "experiment", "panel", "hkl", "flags", "s1", "x_cal", "y_cal", "z_cal", "x_cal_mm", "y_cal_mm",
    "d", "excitation_error", "excitation_sigma", "partiality",
)  # fmt: skip


class StillWidths(NamedTuple):
    """Widths of stills whose own are not known: A, degree, relative full width."""

    domain_size: float
    half_mosaicity: float
    bandwidth: float


def predict_stills(
    experiments: ExperimentList,
    stills: Stills | None,
    parameters: PredictionParameters,
    widths: StillWidths,
    *,
    n_sigma: float,
) -> Reflections:
    """Return the reflections of stills in order of stills, then h, k, l.

    stills : see `predict_all`; rows that are not indexed are passed over.
    """
    table = _stills_of(experiments) if stills is None else stills
    check_stills(table, ("experiment", "image", "wavelength", "a_matrix"))
    n = len(table["image"])
    known = np.isfinite(table["a_matrix"].reshape(n, 9)).all(axis=1)
    runs: dict[int, RunOfStills] = {}
    parts = []
    for row in np.flatnonzero(known & table.get("indexed", known)).tolist():
        i = int(table["experiment"][row])
        if not 0 <= i < len(experiments):
            raise InputError(
                f"a still is of experiment {i}, there are {len(experiments)}; give those of the "
                "table of stills"
            )
        if i not in runs:
            runs[i] = _run(experiments[i], parameters)
        own = [_known(table, row, name, usual) for name, usual in widths._asdict().items()]
        found = predict_still(
            table["a_matrix"][row],
            float(table["wavelength"][row]),
            runs[i],
            spread_of(*own),
            n_sigma=n_sigma,
        )
        first = experiments[i].first_image - 1 if stills is None else 0
        part = _table(found, i, first + float(table["image"][row]) + 0.5)
        if parameters.exclude_absences:
            group = require_crystal(experiments[i]).gemmi_space_group
            part = select(part, ~is_absent(found.hkl, group))
        parts.append(part)
    return concatenate(parts) if parts else empty(COLUMN_NAMES)


def _table(found: Predictions, experiment: int, z: float) -> Reflections:
    n = len(found.d)
    return {
        "experiment": np.full(n, experiment, np.int32),
        "panel": found.panel,
        "hkl": found.hkl,
        "flags": np.full(n, Flag.PREDICTED, np.uint32),
        "s1": found.s1,
        "x_cal": found.x,
        "y_cal": found.y,
        "z_cal": np.full(n, z),
        "x_cal_mm": found.x_mm,
        "y_cal_mm": found.y_mm,
        "d": found.d,
        "excitation_error": found.excitation_error,
        "excitation_sigma": found.sigma,
        "partiality": found.partiality,
    }


def _stills_of(experiments: ExperimentList) -> Stills:
    """Return the table of experiments that are one still each."""
    n = len(experiments)
    return {
        "experiment": np.arange(n, dtype=np.int32),
        "image": np.zeros(n, np.int32),
        "wavelength": np.array([e.beam.wavelength for e in experiments]),
        "a_matrix": np.array([require_crystal(e).a for e in experiments]),
    }


def _run(experiment: Experiment, parameters: PredictionParameters) -> RunOfStills:
    require_possible(parameters, experiment)
    group = require_crystal(experiment).space_group
    return run_of_stills(
        experiment.detector,
        experiment.beam,
        group,
        d_min=parameters.d_min,
        d_max=parameters.d_max,
    )


def _known(table: Stills, row: int, name: str, usual: float) -> float:
    """Return a width of a still, `usual` where the table has none."""
    value = float(table[name][row]) if name in table else np.nan
    return value if np.isfinite(value) else usual
