"""The job of one step on what is in a store; it loads nothing that reads raw files."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from dxdask.cluster.client import open_cluster
from dxdask.errors import StoreNotFoundError
from dxdask.models import Experiment, ExperimentList
from dxdask.pipeline.catalogue import STEPS
from dxdask.pipeline.frames import RunFrames, stored
from dxdask.pipeline.masks import with_contents
from dxdask.pipeline.outputs import write_files
from dxdask.pipeline.parameters import StepParameters
from dxdask.pipeline.plan import make_plan
from dxdask.pipeline.run import Show, run_plan
from dxdask.pipeline.steps import Ensemble
from dxdask.storage.store.calibration import calibration_fingerprint
from dxdask.storage.store.store import Store

if TYPE_CHECKING:
    from dxdask.pipeline.run_calibration import RunCalibration

AS_RECORDED = ("generate_mask", "apply_mask", "find_bad_pixels")
"""Steps that take runs as they were recorded, calibrated or not: a bad pixel shows there, and what
a calibration masks is found again. The others take photons where a run was calibrated."""


def run_step(
    path: str | os.PathLike[str], name: str, parameters: StepParameters, show: Show
) -> Store:
    """Run one step on what is in a store.

    Raises
    ------
    StoreNotFoundError
        The store, its runs or a step before this one are not there.
    DxdaskError
        The step cannot be done with these data.
    """
    store = Store.open(path)
    if not store.runs:
        raise StoreNotFoundError(f"{store.path} holds no complete run; run: dxdask import FILES")
    with store.writing(), open_cluster(parameters.cluster) as cluster:
        ensemble, calibrated = _ensemble(store, calibrate=name not in AS_RECORDED)
        prints = [store.frames_fingerprint(run) for run in store.runs]
        ensemble = with_contents(ensemble, store, [name], parameters)
        if calibrated and STEPS[name].reads_frames:
            contents = {**ensemble.contents.get(name, {}), **calibrated}
            ensemble = replace(ensemble, contents={**ensemble.contents, name: contents})
        plan = make_plan(store, [name], ensemble, parameters, prints)
        run_plan(store, plan, cluster, show, label=name)
        write_files(store, name, parameters)
    return store


def _ensemble(store: Store, *, calibrate: bool) -> tuple[Ensemble, dict[str, str]]:
    """Return the runs of a store, and what tells the calibration of those that have one."""
    lazy: dict[str, RunFrames] = {}
    masks, models, told = {}, [], {}
    for experiment in store.imported():
        run = experiment.run
        recorded = stored(store, run)
        how = _calibration(store, experiment) if calibrate else None
        if how is None:
            lazy[run], masks[run] = recorded, store.mask(run)
            models.append(experiment)
            continue
        lazy[run], masks[run] = how.of_frames(recorded), store.mask(run) & how.calibration.mask
        models.append(how.of_experiment(experiment, recorded.dtype))
        told[f"calibration.{run}"] = how.fingerprint
    experiments = ExperimentList.of(models)
    return Ensemble(incoming=lazy, frames=lazy, masks=masks, experiments=experiments), told


def _calibration(store: Store, experiment: Experiment) -> RunCalibration | None:
    if calibration_fingerprint(store.path, experiment.run) is None:
        return None
    # it loads what reads raw files, which most stores do without
    from dxdask.pipeline.run_calibration import kept_calibration

    return kept_calibration(store, experiment.run, experiment.detector)
