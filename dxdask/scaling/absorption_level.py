"""Choice of the level of absorption, by observations that are left out of the fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.scaling.fitted_model import FittedModel
from dxdask.scaling.free_set import SIGNIFICANT, Agreement, free_agreement, gain, validation_row
from dxdask.scaling.model import ABSORPTION, ScalingModel
from dxdask.scaling.observations import Observations


def choose_absorption(
    fitted: FittedModel,
    obs: Observations,
    weight: Floats,
    absorbing: Sequence[bool],
    free_set_percentage: float,
) -> list[dict[str, Any]]:
    """Give the model the absorption that explains free observations; return table `validation`.

    A level is taken if it explains them significantly better than the one before.

    weight : (n,) of the observations in the fit; 0 leaves one out.
    absorbing : experiments whose scans are long enough.
    """
    best, tested, _, row = _validate(fitted, fitted.model, "none", obs, weight, free_set_percentage)
    rows = [row]
    for level in ABSORPTION:
        model = fitted.model.with_absorption(absorbing, level)
        found, _, parameters, row = _validate(
            fitted, model, level, obs, weight, free_set_percentage
        )
        row["gain"] = gain(best, found, tested)
        rows.append(row)
        if row["gain"] < SIGNIFICANT:
            break
        best = found
        fitted.set_model(model, parameters)
    return rows


def _validate(
    fitted: FittedModel,
    model: ScalingModel,
    name: str,
    obs: Observations,
    weight: Floats,
    free_set_percentage: float,
) -> tuple[Agreement, NDArray[np.bool_], Floats, dict[str, Any]]:
    design = model.design(fitted.variables)
    start, target = fitted.parameters_of(model)
    whole = fitted.fit_of(model, design, obs, weight, start=start, target=target)

    def fit(weight: Floats) -> Floats:
        return fitted.fit_of(
            model, design, obs, weight, start=whole.parameters, target=target, near=whole
        ).scales

    found, tested, work = free_agreement(obs, weight, fit, free_set_percentage)
    row = validation_row(name, len(start), found, tested)
    return found, tested, whole.parameters, {**row, "r_meas_work": work, "gain": None}
