"""The runs of one store in several, and ranges of images of runs in a store of their own."""

from __future__ import annotations

import os

from dxdask.errors import InputError, ParameterError
from dxdask.models import ExperimentList
from dxdask.pipeline.experiments.carried import CARRIED, Part, place, shared
from dxdask.pipeline.experiments.new_store import completed, require_new
from dxdask.pipeline.experiments.parameters import SliceParameters, SplitParameters
from dxdask.pipeline.inputs import stored_runs
from dxdask.storage.store.store import Store

PathLike = str | os.PathLike[str]
SAME_WAVELENGTH = 1e-4


def split_experiments(path: PathLike, parameters: SplitParameters) -> list[Store]:
    """Return new stores with the runs of one: of each run, each detector or each wavelength.

    Raises
    ------
    ParameterError
        Two ways to split, or none.
    StoreExistsError
        An output is there and `overwrite` is false.
    """
    store = Store.open(path, mode="r", branch=parameters.branch)
    groups = _groups(store, parameters)
    width = len(str(len(groups) - 1))
    names = [
        f"{parameters.output.experiments_prefix}_{number:0{width}d}.zarr"
        for number in range(len(groups))
    ]
    for name in names:
        require_new(name, overwrite=parameters.overwrite)
    for name, runs in zip(names, groups, strict=True):
        parts = [Part(store=store, run=run, name=run) for run in runs]
        with completed(name, overwrite=parameters.overwrite) as target:
            place(target, parts, lambda models: models)
    return [Store.open(name) for name in names]


def _groups(store: Store, parameters: SplitParameters) -> list[list[str]]:
    if parameters.by_detector and parameters.by_wavelength:
        raise ParameterError("by_detector and by_wavelength exclude one another; give one")
    runs = [run.name for run in stored_runs(store)]
    models = _newest(store, runs)
    if parameters.by_wavelength:
        order = sorted(runs, key=lambda run: models[run][0])
        groups: list[list[str]] = []
        for run in order:
            last = models[groups[-1][0]][0] if groups else 0.0
            if groups and abs(models[run][0] - last) <= SAME_WAVELENGTH * last:
                groups[-1].append(run)
            else:
                groups.append([run])
        return [[run for run in runs if run in group] for group in groups]
    if parameters.by_detector:
        found: dict[int, list[str]] = {}
        for run in runs:
            found.setdefault(models[run][1], []).append(run)
        return list(found.values())
    if not parameters.by_run:
        raise ParameterError("give by_run, by_detector or by_wavelength")
    return [[run] for run in runs]


def _newest(store: Store, runs: list[str]) -> dict[str, tuple[float, int]]:
    """Return wavelength and number of the detector of each run, by the last step with models."""
    experiments = shared(list(store.imported()))
    for step in reversed(list(CARRIED["sweeps"])):
        if store.has_step(step) and set(store.experiments(step).runs) >= set(runs):
            experiments = shared(list(store.experiments(step)))
            break
    return {m.run: (_wavelength(experiments, i), m.detector)
            for i, m in reversed(list(enumerate(experiments.members)))}  # fmt: skip


def _wavelength(experiments: ExperimentList, member: int) -> float:
    return experiments.beams[experiments.members[member].beam].wavelength


def slice_sequence(path: PathLike, output: PathLike, parameters: SliceParameters) -> Store:
    """Return a new store with ranges of images of runs, and their reflections.

    Crystals that vary along the scan keep the part of these images.

    Raises
    ------
    ParameterError
        No range, or not one for each run.
    InputError
        A run does not have these images, or is of stills.
    StoreExistsError
        The output is there and `overwrite` is false.
    """
    store = Store.open(path, mode="r", branch=parameters.branch)
    runs = stored_runs(store, parameters.runs)
    ranges = parameters.image_range
    if not ranges:
        raise ParameterError("give the images to take: image_range=FIRST,LAST")
    if len(ranges) not in (1, len(runs)):
        raise ParameterError(
            f"image_range has {len(ranges)} pairs; give first and last image once, or for each of "
            f"{len(runs)} runs"
        )
    stills = next((run.name for run in runs if run.kind == "stills"), None)
    if stills is not None:
        raise InputError(f"{stills} is of stills: choose events with images= in each step instead")
    pairs = ranges if len(ranges) == len(runs) else ranges * len(runs)
    for run, (first, last) in zip(runs, pairs, strict=True):
        start = run.experiment.first_image
        if first > last:
            raise ParameterError(f"image_range={first},{last}: the first image is behind the last")
        if not start <= first <= last < start + run.shape[0]:
            raise ParameterError(
                f"image_range={first},{last}: {run.name} has images {start} to "
                f"{start + run.shape[0] - 1}"
            )
    parts = [
        Part(store=store, run=run.name, name=run.name, images=images)
        for run, images in zip(runs, pairs, strict=True)
    ]
    with completed(output, overwrite=parameters.overwrite) as target:
        place(target, parts, lambda models: models)
    return Store.open(output)
