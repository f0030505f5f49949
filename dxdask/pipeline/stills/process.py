"""The jobs on stills: raw events to merged intensities as one graph, from files or from a store."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dxdask.cluster.client import Cluster, open_cluster
from dxdask.errors import FormatError, ParameterError, StoreNotFoundError
from dxdask.indexing.stills.index_stills import known_cell
from dxdask.pipeline import frames
from dxdask.pipeline.ensemble import import_frames, open_or_create
from dxdask.pipeline.reference_geometry import geometries_for
from dxdask.pipeline.run import Show, run_plan
from dxdask.pipeline.stills.follow import Followed, files_now, files_of, follow
from dxdask.pipeline.stills.inputs import EventsOfRun, stills_inputs
from dxdask.pipeline.stills.parameters import StillsProcessParameters, StillsStepParameters
from dxdask.pipeline.stills.plan import make_stills_plan
from dxdask.storage.formats import RunSource
from dxdask.storage.importers import read_runs
from dxdask.storage.importers.parameters import InputParameters
from dxdask.storage.store.store import Store

log = logging.getLogger("dxdask")

PathLike = str | os.PathLike[str]


def stills_process(
    paths: Sequence[PathLike],
    output: PathLike | None,
    parameters: StillsProcessParameters,
    show: Show,
) -> Store:
    """Take runs of stills from raw events to merged intensities.

    paths : files of events; or one store, whose runs are processed where they are (no output).
    `show(store, step)` is called for each step, in order, when it is complete. What is in the store
    with the same inputs and parameters is not computed again.

    Raises
    ------
    DxdaskError
        Files cannot be read, or a step cannot be done with these data.
    """
    if len(paths) == 1 and Path(paths[0]).suffix == ".zarr":
        if output is not None and Path(output).absolute() != Path(paths[0]).absolute():
            raise ParameterError(
                f"{paths[0]} is a store, which is processed where it is; leave -o {output} out"
            )
        return process_store(paths[0], parameters, show)
    if output is None:
        raise ParameterError("give the store to make: -o NAME.zarr")
    if parameters.follow:
        return _follow(paths, output, parameters, show)
    sources = _sources(paths, parameters)
    store = open_or_create(output, overwrite=parameters.overwrite)
    with store.writing(), open_cluster(parameters.cluster) as cluster:
        _process_sources(store, sources, parameters, cluster, show)
    return store


def _follow(
    paths: Sequence[PathLike],
    output: PathLike,
    parameters: StillsProcessParameters,
    show: Show,
) -> Store:
    """Process files as they come; see `dxdask.pipeline.stills.follow`."""
    if parameters.dispatch.index and known_cell(parameters.indexing) is None:
        raise ParameterError(
            "follow=true takes a cell, which would else change with every file; give "
            "indexing.known_symmetry.unit_cell, found from the first files without follow"
        )
    store = open_or_create(output, overwrite=parameters.overwrite)
    names = [os.path.abspath(p) for p in paths]
    if parameters.template:
        names.append(os.path.abspath(parameters.template))
    alone = parameters.model_copy(update={"template": None})
    followed = Followed(
        names, readable=lambda path: [_linked(s, alone) for s in _sources([path], alone)]
    )
    with store.writing(), open_cluster(parameters.cluster) as cluster:
        there = set(files_now(names))
        followed.known = [path for path in files_of(store) if path in there]

        def process(files: Sequence[Path]) -> None:
            _process_sources(store, _sources(files, alone), alone, cluster, _quiet)
            log.info("%s", store.messages("index" if store.has_step("index") else "hits")[0])

        follow(followed, parameters, process)
        # what is complete is only shown; what an earlier process left undone is done
        _process_sources(store, _sources(followed.known, alone), alone, cluster, show)
    return store


def _quiet(store: Store, name: str) -> None:
    """Show nothing: what is done with some files is done again with more."""


def _process_sources(
    store: Store,
    sources: Sequence[RunSource],
    parameters: StillsProcessParameters,
    cluster: Cluster,
    show: Show,
) -> None:
    sources = _named_as_before(store, sources)
    prints = frames.fingerprints(sources, parameters)
    # to find each frame in its file takes long, and the store knows it of the runs it holds
    sources = [
        s if store.has_run(s.name, prints[s.name]) else _linked(s, parameters) for s in sources
    ]
    readers = frames.prepare(store, sources, prints, parameters)
    geometries = geometries_for(sources, parameters.input)
    runs = [
        EventsOfRun(
            experiment=s.experiment,
            incoming=(
                frames.RunFrames(reader=readers[s.name])
                if s.name in readers
                else frames.stored(store, s.name)
            ),
            frames=frames.stored(store, s.name),
            mask=s.mask if s.name in readers else store.mask(s.name),
            fingerprint=(prints[s.name] if s.name in readers else store.frames_fingerprint(s.name)),
            event_ids=s.columns.get("event_id"),
            geometry=geometries.get(s.name),
        )
        for s in sources
    ]
    inputs = stills_inputs(store, runs, parameters, cluster)
    plan = make_stills_plan(store, inputs, parameters, [r.writer for r in readers.values()])
    if readers and "find_spots" not in plan.commits:
        import_frames(readers, cluster)
    run_plan(store, plan, cluster, show, label="stills_process")


def _named_as_before(store: Store, sources: Sequence[RunSource]) -> list[RunSource]:
    """Return the runs with the names that the store has for their files.

    A run is named otherwise when another comes whose file has the same name.
    """
    before = {tuple(store.run_attributes(run)["source"]["files"]): run for run in store.runs}
    names = [before.get(tuple(map(str, s.files)), s.name) for s in sources]
    if len(set(names)) < len(names):  # files of several runs each
        return list(sources)
    return [
        replace(s, name=name, experiment=replace(s.experiment, run=name))
        for s, name in zip(sources, names, strict=True)
    ]


def process_store(path: PathLike, parameters: StillsStepParameters, show: Show) -> Store:
    """Process the runs that a store holds.

    Raises
    ------
    StoreNotFoundError
        The store or its runs are not there.
    DxdaskError
        A step cannot be done with these data.
    """
    store = Store.open(path)
    with store.writing(), open_cluster(parameters.cluster) as cluster:
        runs = events_of_store(store, getattr(parameters, "input", None))
        inputs = stills_inputs(store, runs, parameters, cluster)
        run_plan(
            store, make_stills_plan(store, inputs, parameters), cluster, show, "stills_process"
        )
    return store


def events_of_store(store: Store, reference: InputParameters | None = None) -> list[EventsOfRun]:
    """Return the runs of a store; reference : names the geometry to index by, if any.

    Raises
    ------
    StoreNotFoundError
        There are none.
    """
    if not store.runs:
        raise StoreNotFoundError(f"{store.path} holds no complete run; give files of events")
    sources = [_stored_source(store, run) for run in store.runs]
    geometries = {} if reference is None else geometries_for(sources, reference)
    runs = []
    for source in sources:
        lazy = frames.stored(store, source.name)
        runs.append(
            EventsOfRun(
                experiment=source.experiment,
                incoming=lazy,
                frames=lazy,
                mask=source.mask,
                fingerprint=store.frames_fingerprint(source.name),
                event_ids=source.columns.get("event_id"),
                geometry=geometries.get(source.name),
            )
        )
    return runs


def _stored_source(store: Store, run: str) -> RunSource:
    """Return a run of the store as an importer would have found it."""
    reader = store.frame_reader(run)

    def nowhere() -> None:
        raise FormatError(f"the frames of {run} are in {store.path}")

    return RunSource(
        name=run,
        experiment=store.run_experiment(run),
        shape=reader.shape,
        dtype=reader.dtype,
        mask=store.mask(run),
        files=(),
        reader=reader,
        columns=store.image_columns(run),
        locate=nowhere,  # type: ignore[arg-type]
    )


def _sources(paths: Sequence[PathLike], parameters: StillsProcessParameters) -> list[RunSource]:
    """Return the runs in these files, by absolute paths: workers may run in another folder.

    The reference geometry goes into the import only where the files have none of their own.
    """
    given = [os.path.abspath(p) for p in paths]
    template = parameters.template and os.path.abspath(parameters.template)
    reading = parameters.model_copy(update={"link": False, "template": template})
    own = parameters.input.model_copy(update={"reference_geometry": None})
    alone = reading.model_copy(update={"input": own})
    try:
        return read_runs(given, alone)
    except FormatError:
        if parameters.input.reference_geometry is None:
            raise
        return read_runs(given, reading)


def _linked(source: RunSource, parameters: StillsProcessParameters) -> RunSource:
    """Return the run with its chunk manifest, if links are requested and possible."""
    if not parameters.link:
        return source
    try:
        return replace(source, manifest=source.locate())
    except FormatError:
        return source
