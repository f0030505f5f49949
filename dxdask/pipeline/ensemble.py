"""The jobs that begin with raw files: import, or all of a sweep ensemble as one graph."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from dxdask.cluster.client import Cluster, open_cluster
from dxdask.errors import InputError
from dxdask.models import ExperimentList
from dxdask.pipeline import frames
from dxdask.pipeline.catalogue import PROCESS
from dxdask.pipeline.frames import RunFrames
from dxdask.pipeline.import_parameters import (
    ImportCommandParameters,
    ImportStepParameters,
    ProcessParameters,
)
from dxdask.pipeline.masks import with_contents
from dxdask.pipeline.memory import require_memory
from dxdask.pipeline.plan import Plan, make_plan
from dxdask.pipeline.run import Show, run_plan
from dxdask.pipeline.steps import Ensemble
from dxdask.storage.formats import RunSource
from dxdask.storage.importers import read_runs
from dxdask.storage.store.store import Store

PathLike = str | os.PathLike[str]


def import_runs(
    paths: Sequence[PathLike],
    output: PathLike,
    parameters: ImportCommandParameters,
) -> Store:
    """Copy the frames of all runs to a store and return it; goes on where it was interrupted.

    Raises
    ------
    InputError, FormatError
        The files are not there, damaged, or do not belong together.
    StoreExistsError
        The store is there with other runs.
    """
    sources = _sources(paths, parameters)
    store = open_or_create(output, overwrite=parameters.overwrite)
    with store.writing():
        prints = frames.fingerprints(sources, parameters)
        readers = frames.prepare(store, sources, prints, parameters)
        with open_cluster(parameters.cluster) as cluster:
            import_frames(readers, cluster)
    return store


def process(
    paths: Sequence[PathLike],
    output: PathLike,
    parameters: ProcessParameters,
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
    store = open_or_create(output, overwrite=parameters.overwrite)
    with store.writing(), open_cluster(parameters.cluster) as cluster:
        prints = frames.fingerprints(sources, parameters)
        readers = frames.prepare(store, sources, prints, parameters)
        plan = process_plan(store, sources, readers, prints, parameters)
        if readers and "find_spots" not in plan.commits:
            import_frames(readers, cluster)
        run_plan(store, plan, cluster, show, label="process")
    return store


def process_plan(
    store: Store,
    sources: Sequence[RunSource],
    readers: dict[str, frames.ImportingReader],
    prints: dict[str, str],
    parameters: ProcessParameters,
) -> Plan:
    """Return the one lazy graph of `process`; computes nothing."""
    names = [s.name for s in sources]
    ensemble = Ensemble(
        incoming={
            n: RunFrames(reader=readers[n]) if n in readers else frames.stored(store, n)
            for n in names
        },
        frames={n: frames.stored(store, n) for n in names},
        masks={s.name: s.mask if s.name in readers else store.mask(s.name) for s in sources},
        experiments=ExperimentList.of([s.experiment for s in sources]),
    )
    names = [n for n in PROCESS if n != "linearity" or len(sources) > 1]
    writers = [reader.writer for reader in readers.values()]
    masked = [
        prints[s.name] if s.name in readers else store.frames_fingerprint(s.name) for s in sources
    ]
    ensemble = with_contents(ensemble, store, names, parameters)
    return make_plan(store, names, ensemble, parameters, masked, writers)


def import_frames(readers: dict[str, frames.ImportingReader], cluster: Cluster) -> None:
    """Copy the frames of runs to the store."""
    require_memory(cluster, "import", [RunFrames(reader=r).array() for r in readers.values()])
    cluster.compute(frames.import_tasks(readers), label="import")


def _sources(paths: Sequence[PathLike], parameters: ImportStepParameters) -> list[RunSource]:
    """Return the runs in these files, by absolute paths: workers may run in another folder."""
    template = parameters.template
    if template is not None:
        parameters = parameters.model_copy(update={"template": os.path.abspath(template)})
    return read_runs([os.path.abspath(p) for p in paths], parameters)


def open_or_create(output: PathLike, *, overwrite: bool) -> Store:
    """Return the store of this name, made if it is not there."""
    path = Path(output)
    if path.suffix != ".zarr":
        raise InputError(
            f"a store is called NAME.zarr, not {path.name!r}; give -o {path.name}.zarr"
        )
    if path.exists() and not overwrite:
        return Store.open(path)
    return Store.create(path, overwrite=overwrite)
