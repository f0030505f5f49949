"""A reduced dark run as a `StepResult`, and from one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dxdask.calibration.dark import Dark
from dxdask.models import Experiment, ExperimentList
from dxdask.results import StepResult


def dark_result(dark: Dark, experiment: Experiment) -> StepResult:
    """Return the result of the step `pedestal`.

    arrays : pedestal, noise (slow, fast) float32, ADU; reasons (slow, fast) uint8, 0 where the
    pixel is good; frames (n,), those used, rejected (m,), outliers. tables : panels. problems : the
    rejected frames.
    """
    run = experiment.run
    problems = tuple(
        {
            "run": run, "image": image + 1, "step": "pedestal",
            "reason": "its level or spread is an outlier: not used for the pedestal",
        }
        for image in dark.rejected.tolist()
    )  # fmt: skip
    arrays = {name: getattr(dark, name) for name in _ARRAYS}
    rows = [{"run": run, **row} for row in dark.table.rows]
    headings = {"run": ("Run", ""), **dark.table.headings}
    n_bad, size = int(np.count_nonzero(dark.reasons)), dark.reasons.size
    return StepResult(
        experiments=ExperimentList.of([experiment]),
        reflections={},
        arrays=arrays,
        tables=(replace(dark.table, name="panels", rows=rows, headings=headings),),
        messages=(
            f"Reduced {len(dark.frames)} dark frames, rejected {len(dark.rejected)}",
            f"{n_bad} bad pixels ({100.0 * n_bad / size:.3f} %)",
        ),
        problems=problems,
    )


def dark_of_result(result: StepResult) -> Dark:
    """Return the dark run of a result of `dark_result`."""
    arrays = {name: result.arrays[name] for name in _ARRAYS}
    return Dark(**arrays, table=result.table("panels"))


_ARRAYS = ("pedestal", "noise", "reasons", "frames", "rejected")
