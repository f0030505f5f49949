"""The job of one step on what is in a store; it loads nothing that reads raw files."""

from __future__ import annotations

import os

from dxdask.cluster.client import open_cluster
from dxdask.errors import StoreNotFoundError
from dxdask.pipeline.frames import stored
from dxdask.pipeline.masks import with_contents
from dxdask.pipeline.outputs import write_files
from dxdask.pipeline.parameters import StepParameters
from dxdask.pipeline.plan import make_plan
from dxdask.pipeline.run import Show, run_plan
from dxdask.pipeline.steps import Ensemble
from dxdask.storage.store import Store


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
        lazy = {run: stored(store, run) for run in store.runs}
        ensemble = Ensemble(
            incoming=lazy,
            frames=lazy,
            masks={run: store.mask(run) for run in store.runs},
            experiments=store.imported(),
        )
        prints = [store.frames_fingerprint(run) for run in store.runs]
        ensemble = with_contents(ensemble, store, [name], parameters)
        plan = make_plan(store, [name], ensemble, parameters, prints)
        run_plan(store, plan, cluster, show, label=name)
        write_files(store, name, parameters)
    return store
