"""Runs in raw files of any registered format."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dxdask.errors import FormatError, InputError
from dxdask.storage.formats import (
    FileGroup,
    Format,
    NumberedFile,
    RunSource,
    Supplement,
    format_of,
    formats,
)
from dxdask.storage.formats.file_bytes import HEAD_BYTES, read_bytes
from dxdask.storage.importers.adjust import adjusted, with_manifest
from dxdask.storage.importers.files import find_files, group_files
from dxdask.storage.importers.parameters import ImportParameters
from dxdask.storage.importers.selection import selected, within
from dxdask.storage.store.layout import name_from
from dxdask.storage.store.masks import read_mask
from dxdask.tables import shortened

log = logging.getLogger(__name__)

log = logging.getLogger(__name__)


def read_runs(
    paths: Iterable[str | Path], parameters: ImportParameters | None = None
) -> list[RunSource]:
    """Return the runs in files, folders, globs and templates; no frames are read.

    Runs of files that another program made of frames have its results.

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
    supplement = Supplement(
        reference_geometry=parameters.input.reference_geometry,
        dataset=parameters.input.dataset,
        wavelength=parameters.geometry.beam.wavelength,
        detector=parameters.input.detector,
        oscillation=parameters.geometry.scan.oscillation,
        conventions=parameters.input.conventions,
        has_template=parameters.template is not None,
        step=parameters.input.step,
    )
    for one, group in _groups(_without_linked(find_files(given, parameters.template))):
        runs.extend(one.read_runs(group, supplement))
    runs = within(_with_unique_names(runs), parameters.geometry.scan.image_range)
    runs = selected(runs, parameters.events, parameters.max_events)
    lookup = parameters.lookup.mask
    mask = None if lookup is None else read_mask(lookup, "lookup.mask")
    runs = [adjusted(run, parameters, mask) for run in runs]
    if parameters.link:
        runs = [with_manifest(run, parameters) for run in runs]
    if not parameters.allow_mixed_detectors:
        _check_same_detector(runs)
    for run in runs:
        for line in run.problems:
            log.warning("run %s: %s", run.name, line, extra={"problem": True})
    return runs


def _without_linked(files: Sequence[Path]) -> list[Path]:
    """Return the files without those that another one links to, as a master its data files."""
    masters = [one for one in formats() if type(one).linked_files is not Format.linked_files]
    suffixes = tuple(suffix for one in masters for suffix in one.suffixes)
    some = [path for path in files if path.name.lower().endswith(suffixes)]
    linked: dict[Path, Path] = {}
    for path in some if len(some) > 1 else ():
        try:
            linked |= dict.fromkeys(format_of(path).linked_files(path), path)
        except FormatError:
            continue  # it is damaged, or not finished: an error below unless another links to it
    left_out = [path for path in files if path in linked]
    for master, parts in itertools.groupby(left_out, key=lambda path: linked[path]):
        names = [path.name for path in parts]
        log.warning("%s are read through %s, which links to them", shortened(names), master.name)
    return [path for path in files if path not in linked]


def _groups(files: Sequence[Path]) -> Iterator[tuple[Format, FileGroup]]:
    """Yield files with their format: those read together first, others grouped by template."""
    together: dict[str, tuple[Format, list[Path]]] = {}
    others = []
    for path in files:
        found = _format_of_job(path)
        if found is None:
            others.append(path)
        else:
            together.setdefault(found.name, (found, []))[1].append(path)
    for one, paths in together.values():
        numbered = tuple(NumberedFile(path, None) for path in paths)
        yield one, FileGroup(paths[0].stem, paths[0].parent, numbered)
    for group in group_files(others):
        yield from _by_format(group)


def _format_of_job(path: Path) -> Format | None:
    """Return the format of a file that is read together with others, None for all others."""
    if not any(one.together for one in formats()):
        return None
    head = read_bytes(path, HEAD_BYTES)
    return next((one for one in formats() if one.together and one.claims(path, head)), None)


def _by_format(group: FileGroup) -> Iterator[tuple[Format, FileGroup]]:
    """Yield the files of a template, split where the format changes."""
    for one, files in itertools.groupby(group.files, key=lambda f: format_of(f.path)):
        yield one, replace(group, files=tuple(files))


def _with_unique_names(runs: Sequence[RunSource]) -> list[RunSource]:
    """Return the runs with names valid in a store; equal ones get their folder, then a number."""
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


def _shown(run: RunSource) -> str:
    panels = run.experiment.detector.panels
    slow, fast = run.shape[1:]
    number = f"{len(panels)} panels" if len(panels) > 1 else "one panel"
    size = " x ".join(f"{s:g}" for s in panels[0].pixel_size)
    return f"frames of {slow} x {fast} pixels (slow x fast) with {number}, pixels of {size} mm"


def _check_same_detector(runs: Sequence[RunSource]) -> None:
    """Refuse runs whose frames differ in size or in the panels cut out of them."""

    def layout(run: RunSource) -> tuple[object, ...]:
        panels = run.experiment.detector.panels
        return (run.shape[1:], [(p.offset, p.image_size, p.pixel_size) for p in panels])

    for run in runs[1:]:
        if layout(run) != layout(runs[0]):
            raise InputError(
                f"runs {runs[0].name} and {run.name} were recorded on different detectors: "
                f"{_shown(runs[0])} and {_shown(run)}; import them apart or set "
                "allow_mixed_detectors=true"
            )
