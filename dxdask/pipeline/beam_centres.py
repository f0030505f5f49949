"""Beam centres that search_beam_position found, for the steps after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dxdask.indexing.search_beam_position.shifts import beam_centre, shifted
from dxdask.models import ExperimentList
from dxdask.pipeline.declaration import Extras, Values
from dxdask.pipeline.inputs import RunInput
from dxdask.storage.store.store import Store

STEP = "search_beam_position"
SAME_PX = 0.01

Shifts = Mapping[str, tuple[float, float]]


def found_beam_shifts(store: Store, runs: Sequence[RunInput], _given: Values) -> Extras:
    """Return the shifts (mm) of the beam centres of runs that search_beam_position found.

    They are those of the results in the store whose centre before was that of the run as it is now.
    """
    if not store.has_step(STEP):
        return Extras()
    rows = {row["run"]: row for t in store.tables(STEP) for row in t.rows if "shift_fast_mm" in row}
    shifts: dict[str, tuple[float, float]] = {}
    for run in runs:
        row = rows.get(run.name)
        models = run.geometry or run.experiment
        if row is None:
            continue
        before = [row["fast_px_before"], row["slow_px_before"]]
        now = beam_centre(
            models.detector, models.beam.s0, min(row["panel"], len(models.detector) - 1)
        )
        if np.allclose(now, before, rtol=0.0, atol=SAME_PX):
            shifts[run.name] = (row["shift_fast_mm"], row["shift_slow_mm"])
    contents = {run: {"beam_shift_mm": list(shift)} for run, shift in shifts.items()}
    return Extras(values={"beam_shifts": shifts}, by_run=contents)


def with_found_beam_centres(
    experiments: ExperimentList, shifts: Shifts
) -> tuple[ExperimentList, list[str]]:
    """Return the experiments with their beam centres shifted, and a line on each that is."""
    shift_of = {m.detector: shifts[m.run] for m in experiments.members if m.run in shifts}
    detectors = tuple(
        shifted(d, np.array(shift_of[i])) if i in shift_of else d
        for i, d in enumerate(experiments.detectors)
    )
    lines = [
        f"Beam centre of {run} from {STEP}: moved by {fast:+.3f}, {slow:+.3f} mm (fast, slow)"
        for run, (fast, slow) in shifts.items()
        if run in experiments.runs
    ]
    return replace(experiments, detectors=detectors), lines
