"""Write chosen events of a store as NXmx, CBF or pictures; one block of frames is in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import InputError
from dxdask.frame_block import invalid_pixel_value
from dxdask.models import Detector, Experiment, Scan
from dxdask.pipeline.dump.choice import ChosenEvents, choose
from dxdask.pipeline.dump.parameters import DumpParameters
from dxdask.pipeline.dump.pictures import Drawing
from dxdask.pipeline.frames import RunFrames, stored
from dxdask.pipeline.run_calibration import kept_calibration
from dxdask.refinement.modules.recut import cut_as
from dxdask.storage.exporters.cbf import write_cbf
from dxdask.storage.exporters.nxmx import write_nxmx
from dxdask.storage.frames.lazy import images_in_block
from dxdask.storage.store.store import Store

Problem = dict[str, Any]
Frame = NDArray[Any]


@dataclass(frozen=True)
class Dumped:
    """The files written, and the events that could not be read: run, image, step, reason."""

    files: tuple[str, ...]
    n_events: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class _Run:
    """Chosen events of a run, with the frames and models that they are written from."""

    events: ChosenEvents
    experiment: Experiment
    frames: RunFrames
    mask: NDArray[np.bool_]


def dump_store(
    store: Store, folder: str | os.PathLike[str], parameters: DumpParameters | None = None
) -> Dumped:
    """Write the selected events to files of a folder, which is made.

    An event that cannot be read is skipped; in NXmx its place is filled with a value that is not
    trusted.

    Raises
    ------
    InputError
        No such events, files that may not be replaced, or frames that the format cannot hold.
    """
    p = parameters or DumpParameters()
    where = Path(folder)
    chosen = choose(store, p)
    if p.format != "png":
        for events in chosen:
            _require_stills(events.experiment)
    names = [_names(events, where, p) for events in chosen]
    there = [str(n) for found in names for n in found if n.exists()]
    if there and not p.overwrite:
        raise InputError(f"{there[0]} exists; give another folder or overwrite=true")
    problems: list[Problem] = []
    for events, paths in zip(chosen, names, strict=True):
        # within the call alone: maps of the pixels of many runs do not fit into memory
        _write(paths, _run(store, events, p), store, p, problems)
    files = [n for found in names for n in found if n.exists()]
    n_events = sum(len(events.places) for events in chosen) - len(problems)
    return Dumped(tuple(map(str, files)), n_events, tuple(problems))


def _write(
    paths: list[Path], run: _Run, store: Store, p: DumpParameters, problems: list[Problem]
) -> None:
    if p.format == "nxs":
        _write_nxs(paths[0], run, store, problems)
        return
    write = _cbf_writer(run) if p.format == "cbf" else Drawing(
        store, run.experiment, run.mask, p.png
    ).write  # fmt: skip
    for path, (k, frame) in zip(paths, _read(run, problems), strict=True):
        if frame is not None:
            write(path, frame, run.events, k)


def _run(store: Store, events: ChosenEvents, p: DumpParameters) -> _Run:
    name = events.experiment.run
    frames, mask = stored(store, name), store.mask(name)
    imported = store.run_experiment(name).detector
    counting = imported
    how = kept_calibration(store, name, imported) if p.calibrated else None
    if how is not None:
        counting = how.of_detector(imported, frames.dtype)
        frames, mask = how.of_frames(frames), mask & how.calibration.mask
    detector = _counting_as(events.experiment.detector, counting)
    return _Run(events, replace(events.experiment, detector=detector, crystal=None), frames, mask)


def _counting_as(geometry: Detector, counting: Detector) -> Detector:
    """Return panels where the geometry has them, with trusted range and gain of the counts."""
    counting = cut_as(counting, geometry)
    panels = tuple(
        replace(p, trusted_range=c.trusted_range, gain=c.gain, pedestal=c.pedestal)
        for p, c in zip(geometry.panels, counting.panels, strict=True)
    )
    return replace(geometry, panels=panels)


def _require_stills(experiment: Experiment) -> None:
    scan = experiment.scan
    if scan is not None and scan.oscillation[1] != 0.0:
        raise InputError(
            f"run {experiment.run} is a rotation, whose images belong together: format=png draws "
            "single ones"
        )


def _names(events: ChosenEvents, folder: Path, p: DumpParameters) -> list[Path]:
    stem = f"{p.output.prefix}{events.experiment.run}"
    if p.format == "nxs":
        return [folder / f"{stem}.nxs"]
    return [folder / f"{stem}_{n:05d}.{p.format}" for n in events.image_number.tolist()]


def _read(run: _Run, problems: list[Problem]) -> Iterator[tuple[int, Frame | None]]:
    """Yield the place among the events, and the frame (slow, fast), None where it is unreadable."""
    places, reader = run.events.places, run.frames.reader
    block = images_in_block(reader.shape, reader.dtype, reader.step)
    apart = (np.diff(places) != 1) | (places[1:] // block != places[:-1] // block)
    k = 0
    for group in np.split(places, np.flatnonzero(apart) + 1):
        frames = run.frames.read(int(group[0]), int(group[-1]) + 1)
        for i, frame in enumerate(np.asarray(frames)):
            reason = frames.unreadable.get(i)
            if reason is not None:
                name, number = run.experiment.run, int(run.events.image_number[k])
                problems.append({"run": name, "image": number, "step": "dump", "reason": reason})
            yield k, frame if reason is None else None
            k += 1


def _write_nxs(path: Path, run: _Run, store: Store, problems: list[Problem]) -> None:
    n, (slow, fast) = len(run.events.places), run.mask.shape
    dtype = np.dtype(run.frames.dtype)
    bad = np.full((slow, fast), invalid_pixel_value(dtype), dtype)
    images = (bad if frame is None else frame for _, frame in _read(run, problems))
    write_nxmx(
        path,
        _described(run),
        images,
        shape=(n, slow, fast),
        dtype=dtype,
        pixel_mask=(~run.mask).astype(np.uint32),
        columns=_columns(store, run.events),
        origin=f"dumped from {store.path.name} by dxdask",
        start_time=None,
    )


def _described(run: _Run) -> Experiment:
    """Return the models for a file of these events; what all panels trust is trusted."""
    wavelengths = run.events.wavelengths
    ranges = np.array([p.trusted_range for p in run.experiment.detector.panels])
    common = (float(ranges[:, 0].max()), float(ranges[:, 1].min()))
    panels = tuple(replace(p, trusted_range=common) for p in run.experiment.detector.panels)
    mean = float(wavelengths.mean())
    return replace(
        run.experiment,
        beam=replace(run.experiment.beam, wavelength=mean, wavelengths=tuple(wavelengths.tolist())),
        detector=replace(run.experiment.detector, panels=panels),
        goniometer=None,
        scan=Scan(image_range=(1, len(wavelengths)), oscillation=(0.0, 0.0)),
    )


def _columns(store: Store, events: ChosenEvents) -> dict[str, NDArray[Any]]:
    out: dict[str, NDArray[Any]] = {"event_id": events.event_id}
    times = store.image_columns(events.experiment.run).get("timestamp")
    if times is not None:
        out["timestamp"] = times[events.places]
    return out


def _cbf_writer(run: _Run) -> Callable[[Path, Frame, ChosenEvents, int], None]:
    def write(path: Path, frame: Frame, events: ChosenEvents, k: int) -> None:
        beam = replace(
            run.experiment.beam, wavelength=float(events.wavelengths[k]), wavelengths=None
        )
        name = f"{events.experiment.run}_event_{events.event_id[k]}"
        write_cbf(path, frame, replace(run.experiment, beam=beam), name)

    return write
