"""The jobs on stills: raw events to merged intensities as one graph, from files or from a store."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dxdask.cluster.client import Cluster, open_cluster
from dxdask.errors import FormatError, InputError, ParameterError
from dxdask.indexing.stills.index_stills import known_cell
from dxdask.pipeline import frames
from dxdask.pipeline.ensemble import import_frames, open_or_create
from dxdask.pipeline.inputs import RunInput, kind_of, source_runs
from dxdask.pipeline.planner import Planner
from dxdask.pipeline.reference_geometry import geometries_for
from dxdask.pipeline.run import Show, run_plan
from dxdask.pipeline.step import require_kind, run_steps
from dxdask.pipeline.stills.calibrate import calibrated_runs
from dxdask.pipeline.stills.follow import Followed, files_now, files_of, follow
from dxdask.pipeline.stills.parameters import StillsBaseParameters, StillsProcessParameters
from dxdask.storage.formats import RunSource
from dxdask.storage.importers import read_runs
from dxdask.storage.store.store import Store

log = logging.getLogger("dxdask")

PathLike = str | os.PathLike[str]

STEPS = ("find_spots", "hits", "index", "integrate", "merge")
"""The steps of `dxdask stills_process`."""


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
    store = open_or_create(output, overwrite=parameters.overwrite, branch=parameters.branch)
    with store.writing(), open_cluster(parameters.cluster) as cluster:
        store.hold_runs()
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
    store = open_or_create(output, overwrite=parameters.overwrite, branch=parameters.branch)
    names = [os.path.abspath(p) for p in paths]
    if parameters.template:
        names.append(os.path.abspath(parameters.template))
    alone = parameters.model_copy(update={"template": None})
    followed = Followed(
        names, readable=lambda path: [_linked(s, alone) for s in _sources([path], alone)]
    )
    with store.writing(), open_cluster(parameters.cluster) as cluster:
        store.hold_runs()
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
    """Show nothing: steps of some files are run again with more."""


def _process_sources(
    store: Store,
    sources: Sequence[RunSource],
    parameters: StillsProcessParameters,
    cluster: Cluster,
    show: Show,
) -> None:
    _require_stills(store, sources)
    sources = _named_as_before(store, sources)
    prints = frames.fingerprints(sources, parameters)
    # to find each frame in its file takes long, and the store knows it of the runs it holds
    sources = [
        s if store.has_run(s.name, prints[s.name]) else _linked(s, parameters) for s in sources
    ]
    readers = frames.prepare(store, sources, prints, parameters)
    geometries = geometries_for(sources, parameters.input, store.path)
    runs = [
        replace(run, geometry=geometries.get(run.name))
        for run in source_runs(store, sources, readers, prints)
    ]
    calibrated = calibrated_runs(store, runs, parameters, cluster)
    planner = Planner(store, runs, parameters, kind="stills", calibrated=calibrated)
    plan = planner.add(steps_of_dispatch(parameters))
    if readers and not plan.finishes:
        import_frames(readers, cluster)
    run_plan(store, plan, cluster, show, label="stills_process")


def _require_stills(store: Store, sources: Sequence[RunSource]) -> None:
    if store.runs:
        require_kind(store, "stills")
    sweeps = [s.name for s in sources if kind_of(s.experiment) == "sweeps"]
    if sweeps:
        raise InputError(
            f"{', '.join(sweeps[:3])} are sweeps, not stills; process them with: dxdask process"
        )


def steps_of_dispatch(parameters: StillsBaseParameters) -> list[str]:
    """Return the names of the steps that `dispatch` enables; each needs the one before it."""
    dispatch = parameters.dispatch
    left_out = [name for name in ("index", "integrate", "merge") if not getattr(dispatch, name)]
    last = min((STEPS.index(name) for name in left_out), default=len(STEPS))
    return list(STEPS[:last])


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


def process_store(path: PathLike, parameters: StillsBaseParameters, show: Show) -> Store:
    """Process the runs that a store holds.

    Raises
    ------
    StoreNotFoundError
        The store or its runs are not there.
    InputError
        Its runs are sweeps.
    DxdaskError
        A step cannot be done with these data.
    """
    store = Store.open(path, branch=parameters.branch)
    require_kind(store, "stills")

    def calibrate(store: Store, runs: Sequence[RunInput], cluster: Cluster) -> list[RunInput]:
        reference = getattr(parameters, "input", None)
        sources = [_stored_source(store, run.name) for run in runs] if reference else []
        geometries = geometries_for(sources, reference, store.path) if reference else {}
        given = [replace(run, geometry=geometries.get(run.name)) for run in runs]
        return calibrated_runs(store, given, parameters, cluster)

    run_steps(
        store, steps_of_dispatch(parameters), parameters, show,
        kind="stills", label="stills_process", calibrate=calibrate,
    )  # fmt: skip
    return store


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
