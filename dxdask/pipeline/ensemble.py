"""The jobs that begin with raw files: import, or all of a sweep ensemble as one graph."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from dxdask.cluster.client import Cluster, open_cluster
from dxdask.errors import InputError
from dxdask.pipeline import frames
from dxdask.pipeline.declaration import Values
from dxdask.pipeline.frame_readers import ImportingReader
from dxdask.pipeline.import_parameters import ImportCommandParameters, ImportStepParameters
from dxdask.pipeline.imported_results import (
    commit_results,
    require_no_results,
    require_results_fit,
)
from dxdask.pipeline.inputs import kind_of, source_runs
from dxdask.pipeline.memory import require_memory
from dxdask.pipeline.plan import Plan
from dxdask.pipeline.planner import Planner
from dxdask.pipeline.process_parameters import completed, steps_of_process
from dxdask.pipeline.reference_geometry import contents_of, with_stored_geometry
from dxdask.pipeline.run import Show, run_plan
from dxdask.pipeline.step import require_kind
from dxdask.storage.formats import RunSource
from dxdask.storage.importers import read_runs
from dxdask.storage.store.store import Store

PathLike = str | os.PathLike[str]


def import_runs(
    paths: Sequence[PathLike],
    output: PathLike,
    parameters: ImportCommandParameters,
) -> Store:
    """Copy the frames of all runs to a store and return it; resumes where it was interrupted.

    Results of another program that come with runs are committed as those of steps.

    Raises
    ------
    InputError, FormatError
        The files are not there, damaged, or do not belong together.
    StoreExistsError
        The store is there with other runs.
    """
    sources = _sources(paths, parameters)
    require_results_fit(sources, parameters)
    store = open_or_create(output, overwrite=parameters.overwrite)
    with store.writing():
        geometry = contents_of(sources, parameters.input)
        prints = frames.fingerprints(sources, parameters, geometry)
        readers = frames.prepare(store, sources, prints, parameters)
        if readers:
            with open_cluster(parameters.cluster) as cluster:
                import_frames(readers, cluster)
        commit_results(store, sources, prints)
    return store


def process(
    paths: Sequence[PathLike],
    output: PathLike,
    parameters: Values,
    show: Show,
) -> Store:
    """Take an ensemble of sweeps from raw files to merged intensities, as one graph.

    `show(store, step)` is called for each step, in order, when it is complete. What is in the store
    with the same inputs and parameters is not computed again.

    Raises
    ------
    DxdaskError
        As for `import_runs`, or a step cannot be done with these data.
    """
    sources = _sources(paths, parameters)
    _require_sweeps(sources)
    require_no_results(sources)
    store = open_or_create(output, overwrite=parameters.overwrite, branch=parameters.branch)
    if store.runs:
        require_kind(store, "sweeps")
    with store.writing(), open_cluster(parameters.cluster) as cluster:
        store.hold_runs()
        geometry = contents_of(sources, parameters.input)
        prints = frames.fingerprints(sources, parameters, geometry)
        readers = frames.prepare(store, sources, prints, parameters)
        if readers and parameters.images is not None:
            # all images are imported, and some of them processed
            import_frames(readers, cluster)
            readers = {}
        plan = process_plan(store, sources, readers, prints, parameters)
        if readers and not plan.finishes:
            import_frames(readers, cluster)
        run_plan(store, plan, cluster, show, label="process")
    return store


def process_plan(
    store: Store,
    sources: Sequence[RunSource],
    readers: dict[str, ImportingReader],
    prints: dict[str, str],
    parameters: Values,
) -> Plan:
    """Return the one lazy graph of `process`; computes nothing."""
    runs = [
        run.of_images(parameters.images)
        for run in source_runs(store, sources, readers, prints)
        if not parameters.runs or run.name in parameters.runs
    ]
    parameters = completed(parameters)
    names = steps_of_process(parameters, len(runs))
    return Planner(store, runs, parameters, kind="sweeps").add(names)


def _require_sweeps(sources: Sequence[RunSource]) -> None:
    stills = [s.name for s in sources if kind_of(s.experiment) == "stills"]
    if stills:
        raise InputError(
            f"{', '.join(stills[:3])} are stills, which have no rotation; process them "
            "with: dxdask stills_process"
        )


def import_frames(readers: dict[str, ImportingReader], cluster: Cluster) -> None:
    """Copy the frames of runs to the store."""
    require_memory(
        cluster, "import", [frames.RunFrames(reader=r).array() for r in readers.values()]
    )
    cluster.compute(frames.import_tasks(readers), label="import")


def _sources(paths: Sequence[PathLike], parameters: ImportStepParameters) -> list[RunSource]:
    """Return the runs in these files, by absolute paths: workers may run in another folder."""
    template = parameters.template
    if template is not None:
        parameters = parameters.model_copy(update={"template": os.path.abspath(template)})
    files = [os.path.abspath(p) for p in paths]
    reference = parameters.input.reference_geometry
    if reference is None or reference.suffix != ".zarr":
        return read_runs(files, parameters)
    own = parameters.input.model_copy(update={"reference_geometry": None})
    sources = read_runs(files, parameters.model_copy(update={"input": own}))
    return with_stored_geometry(sources, reference, parameters.input)


def open_or_create(output: PathLike, *, overwrite: bool, branch: str = "main") -> Store:
    """Return the store of this name, made if it is not there."""
    path = Path(output)
    if path.suffix != ".zarr":
        raise InputError(
            f"a store is called NAME.zarr, not {path.name!r}; give -o {path.name}.zarr"
        )
    if path.exists() and not overwrite:
        return Store.open(path, branch=branch)
    store = Store.create(path, overwrite=overwrite)
    return store.on_branch(branch)
