"""The job `refine_metrology`: where the panels are, from all stills that a store has indexed."""

from __future__ import annotations

import os
import time

from dask.delayed import delayed

from dxdask.cluster.client import open_cluster
from dxdask.errors import InputError, StoreNotFoundError
from dxdask.graphs.stills.stored import stills_of
from dxdask.pipeline.catalogue import Step
from dxdask.pipeline.metrology.parameters import RefineMetrologyParameters
from dxdask.pipeline.plan import Plan, add_result, is_found, parameters_of, stored_result
from dxdask.pipeline.run import Show, run_plan
from dxdask.refinement.metrology.parameters import MetrologyParameters
from dxdask.refinement.metrology.refine_metrology import refine_metrology as refine_detector
from dxdask.results import StepResult
from dxdask.storage.exporters.geometry import write_geometry
from dxdask.storage.store.store import Store

STEP = Step(
    name="refine_metrology",
    title="Refine where the panels of the detector are, from all indexed stills.",
    needs=("index",),
    groups=("metrology",),
)


def refine_metrology(
    path: str | os.PathLike[str], parameters: RefineMetrologyParameters, show: Show
) -> Store:
    """Refine the detector against the stills of a store; `show(store, step)` as it is complete.

    The store then holds the step `refine_metrology`, which `input.reference_geometry=STORE` of
    `stills_process` takes the detector from, for this store or another. With the same stills and
    parameters it is not refined again; files of `output` are written in any case.

    Raises
    ------
    StoreNotFoundError
        The store, or its step index, is not there.
    InputError
        The step index is not of stills, or too few of them are indexed, or runs differ.
    ConvergenceError
        The least squares do not settle.
    StoreWriteError
        A file cannot be written.
    """
    store = Store.open(path)
    with store.writing(), open_cluster(parameters.cluster) as cluster:
        run_plan(store, metrology_plan(store, parameters), cluster, show, label=STEP.name)
    output = parameters.output
    if output.geometry:
        refined = store.experiments(STEP.name)[0]
        for file in output.geometry:
            write_geometry(file, refined, data=output.data, wavelength=output.wavelength)
    return store


def metrology_plan(store: Store, parameters: RefineMetrologyParameters) -> Plan:
    """Return the graph, of one task beside reading and writing; computes nothing."""
    require_indexed_stills(store)
    plan, started = Plan(), time.time()
    given = parameters_of(STEP, parameters)
    made_from = str(store.step_attributes("index")["fingerprint"])
    if is_found(plan, store, STEP, given, [made_from], force=parameters.force):
        return plan
    refine = delayed(_refine, pure=True)
    result = refine(stored_result(store, "index"), parameters.metrology)
    add_result(plan, store, STEP, result, given, started)
    return plan


def require_indexed_stills(store: Store) -> None:
    """Check that the store holds indexed stills.

    Raises
    ------
    StoreNotFoundError
        It holds no step index.
    InputError
        That is of sweeps.
    """
    if not store.has_step("index"):
        raise StoreNotFoundError(
            f"{store.path} holds no indexed stills; run: dxdask stills_process {store.path}"
        )
    if "a_matrix" not in store.step_attributes("index").get("arrays", []):
        raise InputError(
            f"what {store.path} holds indexed are sweeps, whose detector is refined by: dxdask "
            f"refine {store.path}"
        )


def _refine(indexed: StepResult, parameters: MetrologyParameters) -> StepResult:
    return refine_detector(indexed.reflections, stills_of(indexed), indexed.experiments, parameters)
