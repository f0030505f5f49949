"""Import of raw formats: NXmx and other HDF5, miniCBF and full CBF, SMV, DIALS's own files."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError, InputError, ParameterError
from dxdask.models import Scan
from dxdask.storage.importers.crystfel.events import is_nxmx, read_raw_stills
from dxdask.storage.importers.files import find_files, group_files
from dxdask.storage.importers.geometry import overridden
from dxdask.storage.importers.image_kinds import kind_of
from dxdask.storage.importers.nxmx.experiment import read_nxmx
from dxdask.storage.importers.parameters import ImportParameters
from dxdask.storage.importers.reference_geometry import with_reference
from dxdask.storage.importers.runs import ReaderFrom, RunSource
from dxdask.storage.importers.selection import selected
from dxdask.storage.importers.sequences import runs_of_group
from dxdask.storage.store.layout import name_from
from dxdask.storage.store.masks import read_mask

__all__ = ["ImportParameters", "RunSource", "read_runs"]


def read_runs(
    paths: Iterable[str | Path], parameters: ImportParameters | None = None
) -> list[RunSource]:
    """Return the runs in these files, folders, globs and templates; frames stay where they are.

    Raises
    ------
    InputError
        No files, a template with a number missing, runs recorded on different detectors.
    FormatError
        A file is truncated, inconsistent or of a format that is not known.
    ParameterError
        Overrides that contradict each other or the files.
    """
    parameters = parameters or ImportParameters()
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    runs: list[RunSource] = []
    for group in group_files(find_files(given, parameters.template)):
        kind = kind_of(group.files[0].path)
        if kind == "hdf5":
            runs.extend(_hdf5_run(f.path, parameters) for f in group.files)
        else:
            runs.extend(runs_of_group(group, kind))
    runs = selected(_with_unique_names(runs), parameters.events, parameters.max_events)
    lookup = parameters.lookup.mask
    mask = None if lookup is None else read_mask(lookup, "lookup.mask")
    runs = [_adjusted(run, parameters, mask) for run in runs]
    if parameters.link:
        runs = [_located(run, parameters) for run in runs]
    if not parameters.allow_mixed_detectors:
        _check_same_detector(runs)
    return runs


def _hdf5_run(path: Path, parameters: ImportParameters) -> RunSource:
    name = path.stem.removesuffix("_master")
    if is_nxmx(path):
        return read_nxmx(path, name)
    return read_raw_stills(
        path,
        name,
        geometry=parameters.input.reference_geometry,
        dataset=parameters.input.dataset,
        wavelength=parameters.geometry.beam.wavelength,
    )


def _with_unique_names(runs: Sequence[RunSource]) -> list[RunSource]:
    """Return the runs with names a store takes, equal ones told apart by folder, then by number."""
    names = [name_from(run.name) for run in runs]
    count = Counter(names)
    names = [
        name_from(f"{run.files[0].resolve().parent.name}_{name}") if count[name] > 1 else name
        for run, name in zip(runs, names, strict=True)
    ]
    taken: set[str] = set()
    out = []
    for run, name in zip(runs, names, strict=True):
        numbered = (f"{name}_{i}" for i in itertools.count(2))
        unique = next(n for n in itertools.chain((name,), numbered) if n not in taken)
        taken.add(unique)
        out.append(replace(run, name=unique, experiment=replace(run.experiment, run=unique)))
    return out


def _adjusted(
    run: RunSource, parameters: ImportParameters, mask: NDArray[np.bool_] | None
) -> RunSource:
    """Return the run with the user's overrides."""
    if parameters.geometry.scan.image_range is not None:
        run = _sliced(run, parameters.geometry.scan.image_range)
    run = with_reference(run, parameters.input)
    experiment = overridden(run.experiment, parameters.geometry)
    scan = experiment.scan
    if parameters.convert_stills and scan is not None:
        scan = replace(scan, oscillation=(scan.oscillation[0], 0.0))
        experiment = replace(experiment, scan=scan, goniometer=None)
    experiment = replace(experiment, identifier=run.name)
    columns = dict(run.columns)
    if parameters.geometry.scan.oscillation is not None and scan is not None:
        start, width = scan.oscillation
        columns["angle"] = start + width * np.arange(run.shape[0], dtype=np.float64)
    n_images = run.shape[0]
    for name in ("wavelength", "transmission"):
        value = getattr(parameters.geometry.beam, name)
        if value is not None:
            columns[name] = np.full(n_images, value)
    good = run.mask
    if mask is not None:
        if mask.shape != run.shape[1:]:
            raise InputError(
                f"lookup.mask={parameters.lookup.mask} is {mask.shape}, the frames of run "
                f"{run.name} {run.shape[1:]} (slow, fast)"
            )
        good = good & mask
    extra = () if parameters.lookup.mask is None else (parameters.lookup.mask,)
    return replace(
        run, experiment=experiment, columns=columns, mask=good, files=(*run.files, *extra)
    )


def _sliced(run: RunSource, image_range: tuple[int, int]) -> RunSource:
    """Return the images first .. last (numbers, both included) of a run."""
    scan = run.experiment.scan or Scan(image_range=(1, run.shape[0]))
    first, last = image_range
    low, high = scan.image_range
    if not low <= first <= last <= high:
        raise ParameterError(
            f"geometry.scan.image_range={first},{last}: run {run.name} has images {low} to {high}"
        )
    start, n_images = first - low, last - first + 1
    chosen = slice(start, start + n_images)

    def part(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
        return values[chosen] if values and len(values) == run.shape[0] else values

    angle, width = scan.oscillation
    sliced = replace(
        scan,
        image_range=image_range,
        oscillation=(angle + start * width, width),
        exposure_times=part(scan.exposure_times) or (),
        epochs=part(scan.epochs) or (),
    )
    beam = replace(run.experiment.beam, wavelengths=part(run.experiment.beam.wavelengths))
    return replace(
        run,
        experiment=replace(run.experiment, scan=sliced, beam=beam),
        shape=(n_images, *run.shape[1:]),
        columns={name: values[chosen] for name, values in run.columns.items()},
        reader=ReaderFrom(reader=run.reader, start=start),
        locate=lambda: run.locate().part(start, start + n_images),
    )


def _located(run: RunSource, parameters: ImportParameters) -> RunSource:
    """Return the run with the places of its frames, to be linked."""
    if parameters.images_per_chunk != 1:
        raise ParameterError(
            f"images_per_chunk={parameters.images_per_chunk} contradicts link=true: chunks stay as "
            "they are in the files; leave one of the two out"
        )
    try:
        return replace(run, places=run.locate())
    except FormatError as error:
        raise FormatError(
            f"run {run.name} cannot be linked: {error}; import it with link=false"
        ) from error


def _check_same_detector(runs: Sequence[RunSource]) -> None:
    """Refuse runs whose frames differ in size or in the panels cut out of them."""

    def layout(run: RunSource) -> tuple[object, ...]:
        panels = run.experiment.detector.panels
        return (run.shape[1:], [(p.offset, p.image_size, p.pixel_size) for p in panels])

    for run in runs[1:]:
        if layout(run) != layout(runs[0]):
            raise InputError(
                f"runs {runs[0].name} and {run.name} were recorded on different detectors: frames "
                f"of {runs[0].shape[1:]} with {len(runs[0].experiment.detector)} panels and of "
                f"{run.shape[1:]} with {len(run.experiment.detector)}; import them apart or set "
                "allow_mixed_detectors=true"
            )
