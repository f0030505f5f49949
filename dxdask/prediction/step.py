"""The step `predict`, in memory."""

from __future__ import annotations

import numpy as np

from dxdask.models import ExperimentList
from dxdask.prediction.parameters import PredictionParameters
from dxdask.prediction.predict_all import predict_all
from dxdask.results import StepResult
from dxdask.tables import Table


def predict(
    experiments: ExperimentList, parameters: PredictionParameters | None = None
) -> StepResult:
    """Return all reflections of sweeps, and their numbers.

    Parameters
    ----------
    experiments : sweeps with crystals. parameters : None for the defaults.

    Returns
    -------
    StepResult
        reflections as `predict_all` gives them; table `summary`: experiment, run, n, d_min, d_max,
        and whether the crystal was predicted as varying.

    Raises
    ------
    InputError
        As `predict_all`.
    """
    given = parameters or PredictionParameters()
    table = predict_all(experiments, **dict(given))
    rows = []
    for i, e in enumerate(experiments):
        d = table["d"][table["experiment"] == i]
        varying = e.beam.s0_at_scan_points is not None or (
            e.crystal is not None and e.crystal.scan_points is not None
        )
        rows.append(
            {
                "experiment": i,
                "run": e.run,
                "n": len(d),
                "d_min": float(d.min()) if len(d) else np.nan,
                "d_max": float(d.max()) if len(d) else np.nan,
                "scan_varying": varying and not given.force_static,
            }
        )
    headings = {
        "n": ("reflections", ""), "d_min": ("d_min (A)", ".3f"), "d_max": ("d_max (A)", ".2f"),
        "scan_varying": ("scan-varying", ""),
    }  # fmt: skip
    summary = Table(name="summary", title="Predicted reflections", rows=rows, headings=headings)
    return StepResult(experiments=experiments, reflections=table, tables=(summary,))
