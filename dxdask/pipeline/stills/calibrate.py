"""Runs of stills calibrated as parameters ask for, else as they were before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dask.delayed import Delayed

from dxdask.cluster.client import Cluster
from dxdask.pipeline.inputs import RunInput, calibrated
from dxdask.pipeline.run_calibration import calibration_of_run
from dxdask.pipeline.stills.parameters import StillsBaseParameters
from dxdask.storage.store.store import Store


def calibrated_runs(
    store: Store, runs: Sequence[RunInput], given: StillsBaseParameters, cluster: Cluster
) -> list[RunInput]:
    """Return the runs with frames as photons; a dark run, if there is one, is reduced now.

    Raises
    ------
    InputError, FormatError
        A file that parameters name is not there, damaged or of other frames.
    """
    reduced: dict[str, Any] = {}

    def compute(task: Delayed) -> Any:
        # the pass over a dark run, one for all runs, takes as long as one over events
        if task.key not in reduced:
            reduced[task.key] = cluster.compute([task], label="pedestal")[0]
        return reduced[task.key]

    found = []
    for run in runs:
        # a mask that apply_mask has put on a run is no part of its calibration
        calibration = calibration_of_run(
            store, run.name, run.experiment.detector, run.imported_mask,
            given.calibration, compute=compute, force=given.force,
        )  # fmt: skip
        found.append(run if calibration is None else calibrated(run, calibration))
    return found
