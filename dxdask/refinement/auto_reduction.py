"""Reduction of the parameters of models that too few reflections determine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections
from dxdask.errors import InputError
from dxdask.refinement.parameterisation import (
    ParameterSlice,
    PredictionParameterisation,
    with_fixed,
)
from dxdask.refinement.parameters import AutoReduction


def auto_reduce(
    params: PredictionParameterisation,
    table: Reflections,
    rows: NDArray[np.int64],
    rule: AutoReduction,
) -> tuple[PredictionParameterisation, NDArray[np.int64], list[str]]:
    """Return parameterisation and rows (n,) without what too few reflections determine, and notes.

    Models with too few reflections for their parameters are fixed, or their reflections excluded
    too, until none is left.

    Raises
    ------
    InputError
        There is such a model and `rule.action` is "fail", or nothing is left to refine.
    """
    notes: list[str] = []
    while True:
        counts = np.bincount(table["experiment"][rows], minlength=len(params.experiments))
        poor = [
            b for b in params.slices if _is_poor(b, params, counts, rule.min_nref_per_parameter)
        ]
        if not poor:
            break
        what = ", ".join(f"{b.kind} {b.model + 1}" for b in poor)
        if rule.action == "fail":
            raise InputError(
                f"too few reflections for the parameters of {what} (fewer than "
                f"{rule.min_nref_per_parameter} for each); set parameterisation.auto_reduction."
                "action=fix to fix these models, or =remove to exclude their reflections too"
            )
        notes.append(f"Too few reflections for the parameters of {what}: fixed")
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


def _is_poor(
    part: ParameterSlice, params: PredictionParameterisation, counts: NDArray[Any], least: int
) -> bool:
    n_free = int(part.free.sum())
    return n_free > 0 and int(counts[params.members_of(part)].sum()) < least * n_free
