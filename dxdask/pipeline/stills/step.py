"""The jobs `dxdask hits` and `dxdask postrefine`: one step on what a store holds of stills."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from dask.delayed import Delayed, delayed

from dxdask.cluster.client import Cluster, open_cluster
from dxdask.errors import ParameterError
from dxdask.graphs.stills.results import hits_result
from dxdask.graphs.stills.stored import part_of_spots_told
from dxdask.hits import HitParameters
from dxdask.pipeline.plan import Plan, add_result, is_found, present, stored_result
from dxdask.pipeline.run import Show, run_plan
from dxdask.pipeline.stills.catalogue import COMMANDS, STILLS_STEPS
from dxdask.pipeline.stills.inputs import stills_inputs
from dxdask.pipeline.stills.parameters import StillsStepParameters
from dxdask.pipeline.stills.plan import given_of, merged
from dxdask.pipeline.stills.process import events_of_store
from dxdask.storage.store.masks import CONTENTS
from dxdask.storage.store.store import Store


def run_stills_step(
    path: str | os.PathLike[str], command: str, parameters: StillsStepParameters, show: Show
) -> Store:
    """Run the step of this command on the spots, or the observations, that a store holds.

    The steps before it are taken as they are, whatever parameters they were made with.

    Raises
    ------
    StoreNotFoundError
        The store, its runs or a step before this one are not there.
    InputError
        A step before this one was made from something else than is there now.
    ParameterError
        Peaks are asked for that are not there.
    """
    store = Store.open(path)
    with store.writing(), open_cluster(parameters.cluster) as cluster:
        plan = _plan(store, COMMANDS[command].name, parameters, cluster)
        run_plan(store, plan, cluster, show, label=command)
    return store


def _plan(store: Store, name: str, parameters: StillsStepParameters, cluster: Cluster) -> Plan:
    plan, started, step = Plan(), time.time(), STILLS_STEPS[name]
    events = events_of_store(store)
    prints = [e.fingerprint for e in events]
    for before in _before(name):
        other = STILLS_STEPS[before]
        needed = [
            *(prints if other.reads_frames else ()),
            *(plan.fingerprints[n] for n in other.needs),
        ]
        plan.fingerprints[before] = present(store, other, needed, command="stills_process")
    if name == "hits":
        _require_peaks(store, parameters.hits)
    given = given_of(step, parameters, {})
    needed = [plan.fingerprints[n] for n in step.needs]
    if is_found(plan, store, step, given, needed, force=parameters.force):
        return plan
    if name == "merge":
        integrated = stored_result(store, "integrate")
        result: Delayed = delayed(merged, pure=True)(integrated, parameters.merging)
    else:
        inputs = stills_inputs(store, events, parameters, cluster)
        shared = delayed([r.run for r in inputs.frames], name=None, pure=True, traverse=False)
        told, spots = delayed(part_of_spots_told, pure=True), stored_result(store, "find_spots")
        parts = [told(spots, shared[i]) for i in range(len(events))]
        result = delayed(hits_result, pure=True)(parts, shared)
    add_result(plan, store, step, result, given, started)
    return plan


def _require_peaks(store: Store, given: HitParameters) -> None:
    """Check that peaks asked for are those that the store holds: none are found here."""
    if given.method != "peakfinder8":
        return
    made = store.step_attributes("find_spots")["parameters"].get(CONTENTS, {}).get("peaks")
    if made != given.of_peaks:
        raise ParameterError(
            f"{store.path} does not hold the peaks that hits.method=peakfinder8 asks for, and "
            "dxdask hits looks at no frames; give these parameters to: dxdask stills_process "
            f"{store.path}"
        )


def _before(name: str) -> Sequence[str]:
    """Return the steps before one, all of which it needs."""
    names = list(STILLS_STEPS)
    return names[: names.index(name)]
