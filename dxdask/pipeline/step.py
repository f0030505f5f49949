"""Steps on the content of a store; raw files are not read, nor are their readers loaded."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence

from dxdask.cluster.client import Cluster, open_cluster
from dxdask.errors import InputError, StoreNotFoundError
from dxdask.pipeline.declaration import Step, Values
from dxdask.pipeline.images import recorded_images
from dxdask.pipeline.inputs import RunInput, kind_of_store, stored_runs
from dxdask.pipeline.kinds import Kind
from dxdask.pipeline.planner import Planner
from dxdask.pipeline.run import Show, run_plan
from dxdask.pipeline.staleness import prints_of
from dxdask.pipeline.steps import closure, step_of
from dxdask.storage.store.store import Store

log = logging.getLogger("dxdask")

Calibrate = Callable[[Store, Sequence[RunInput], Cluster], Sequence[RunInput]]


def run_step(
    path: str | os.PathLike[str],
    name: str,
    parameters: Values,
    show: Show,
    wrote: Callable[[str], None] = lambda _file: None,
) -> Store:
    """Run one step on the runs of a store, and write the files that its parameters ask for.

    wrote : is called with the name of each file.

    Raises
    ------
    StoreNotFoundError
        The store, its runs or a step before this one are not there.
    InputError
        A step before this one is stale.
    DxdaskError
        The step cannot be done with these data.
    """
    store = Store.open(path, branch=parameters.branch)
    kind = require_kind(store)
    step = step_of(name, kind)
    run_steps(store, [step.name], parameters, show, kind=kind, label=name)
    for file in step.write_files(store, parameters):
        wrote(file)
    return store


def run_steps(
    store: Store,
    names: Sequence[str],
    parameters: Values,
    show: Show,
    *,
    kind: Kind,
    label: str,
    calibrate: Calibrate | None = None,
) -> None:
    """Run steps on the runs of a store, as one graph.

    calibrate : returns the runs calibrated as the parameters ask for; None: as they were before.
    """
    with store.writing(), open_cluster(parameters.cluster) as cluster:
        steps = closure(names, kind, store.has_step)
        runs = _selected(store, steps, names, parameters)
        calibrated = None if calibrate is None else calibrate(store, runs, cluster)
        planner = Planner(store, runs, parameters, kind=kind, calibrated=calibrated)
        run_plan(store, planner.add(names), cluster, show, label=label)


def require_kind(store: Store, kind: Kind | None = None) -> Kind:
    """Return the kind of the runs of a store, after a check that it is this one.

    Raises
    ------
    StoreNotFoundError
        There are no runs.
    InputError
        They are of the other kind.
    """
    found = kind_of_store(store)
    if found is None:
        raise StoreNotFoundError(f"{store.path} holds no complete run; run: dxdask import FILES")
    if kind is not None and found != kind:
        command = {"sweeps": "process", "stills": "stills_process"}[found]
        raise InputError(
            f"{store.path} holds {found}, not {kind}; process them with: dxdask {command}"
        )
    return found


def _selected(
    store: Store, steps: Sequence[Step], names: Sequence[str], parameters: Values
) -> list[RunInput]:
    """Return the runs and images chosen, else those that the steps needed have."""
    runs = stored_runs(store, parameters.runs)
    direct = {
        n
        for s in steps
        if s.name in names
        for n in s.sources(store.has_step).values()
        if n not in names
    }
    needed = [s.name for s in steps if s.name in direct and store.has_step(s.name)]
    for name in needed if not parameters.runs else ():
        there = prints_of(store, name)
        absent = [run.name for run in runs if run.name not in there]
        if absent:
            log.warning("%s has no run %s: skipped", name, ", ".join(absent))
        runs = [run for run in runs if run.name in there]
    chosen = []
    for run in runs:
        before = [recorded_images(store.manifest(n).parameters_of(run.name)) for n in needed[-1:]]
        chosen.append(run.of_images(parameters.images or next(iter(before), None)))
    return chosen
