"""Selection of images and events of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError, InputError, ParameterError
from dxdask.models import Scan
from dxdask.storage.formats import ChunkManifest, RawReader, RunSource
from dxdask.storage.formats.run_source import ReaderFrom


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectedFrames:
    """Selected frames of another reader, in ascending order."""

    reader: RawReader
    chosen: tuple[int, ...]

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return selected frames first .. last - 1, (n, slow, fast)."""
        wanted = np.array(self.chosen[first:last], dtype=np.int64)
        if not wanted.size:
            return self.reader.read(0, 0)
        breaks = np.flatnonzero(np.diff(wanted) != 1) + 1
        pieces = [self.reader.read(int(p[0]), int(p[-1]) + 1) for p in np.split(wanted, breaks)]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def selected(
    runs: Sequence[RunSource], events: Sequence[int], max_events: int | None
) -> list[RunSource]:
    """Return the runs that have selected events, with these events only.

    events : numbers in the column event_id, or of images where a run has none; empty selects all.
    max_events : limit over all runs together; the first ones are selected.

    Raises
    ------
    InputError
        An event is in no run, or a run is a sweep.
    """
    if not events and max_events is None:
        return list(runs)
    out, missing, left = [], set(events), max_events
    for run in runs:
        _require_stills(run)
        ids = event_ids(run)
        missing -= set(ids.tolist())
        chosen = np.flatnonzero(np.isin(ids, list(events))) if events else np.arange(len(ids))
        chosen = chosen if left is None else chosen[:left]
        left = None if left is None else left - len(chosen)
        if len(chosen):
            out.append(run if len(chosen) == len(ids) else _with_events(run, chosen, ids))
    if missing:
        shown = ", ".join(map(str, sorted(missing)[:10]))
        raise InputError(f"events={shown}: no run has them; give numbers of event_id, or of images")
    return out


def event_ids(run: RunSource) -> NDArray[np.int64]:
    """Return the number of each event (n,): the facility's, or that of the image."""
    if "event_id" in run.columns:
        return np.asarray(run.columns["event_id"], dtype=np.int64)
    first = run.experiment.first_image
    return np.arange(first, first + run.shape[0], dtype=np.int64)


def _require_stills(run: RunSource) -> None:
    scan = run.experiment.scan
    if scan is not None and scan.oscillation[1] != 0.0:
        raise InputError(
            f"run {run.name} is a sweep, from which no events are selected: give "
            "geometry.scan.image_range, or convert_stills=true"
        )


def _with_events(run: RunSource, chosen: NDArray[np.int64], ids: NDArray[np.int64]) -> RunSource:
    n = len(chosen)
    experiment, scan = run.experiment, run.experiment.scan
    beam = experiment.beam
    if beam.wavelengths is not None:
        few = tuple(beam.wavelengths[i] for i in chosen)
        beam = replace(beam, wavelengths=few, wavelength=float(np.mean(few)))
    if scan is not None:
        scan = replace(
            scan,
            image_range=(1, n),
            exposure_times=_part(scan.exposure_times, chosen, run.shape[0]),
            epochs=_part(scan.epochs, chosen, run.shape[0]),
        )

    def locate() -> ChunkManifest:
        every = run.locate()
        if every.chunk[0] != 1:
            raise FormatError(
                f"a chunk holds {every.chunk[0]} images, and only some of them are selected"
            )
        return replace(every, shape=(n, *every.shape[1:]), references=every.references[chosen])

    return replace(
        run,
        experiment=replace(experiment, beam=beam, scan=scan),
        shape=(n, *run.shape[1:]),
        columns={
            **{k: v[chosen] for k, v in run.columns.items()},
            "event_id": ids[chosen],
            "place_in_files": chosen.astype(np.int64),
        },
        reader=SelectedFrames(reader=run.reader, chosen=tuple(chosen.tolist())),
        locate=locate,
    )


def _part(values: tuple[float, ...], chosen: NDArray[np.int64], n: int) -> tuple[float, ...]:
    return tuple(values[i] for i in chosen) if len(values) == n else values


def within(runs: Sequence[RunSource], image_range: tuple[int, int] | None) -> list[RunSource]:
    """Return the runs with their images first .. last (numbers, both included) only.

    Of several runs in one file, which share its numbers, those without such images are left out.

    Raises
    ------
    ParameterError
        A run that has its file alone reaches less far, or no run has such images.
    """
    if image_range is None:
        return list(runs)
    first, last = image_range
    n_runs = Counter(run.files[0] for run in runs)
    out = []
    for run in runs:
        low = run.experiment.first_image
        high = low + run.shape[0] - 1
        if n_runs[run.files[0]] == 1 and not low <= first <= last <= high:
            raise ParameterError(
                f"geometry.scan.image_range={first},{last}: run {run.name} has images {low} to "
                f"{high}"
            )
        start, stop = max(first, low), min(last, high) + 1
        if start < stop:
            out.append(images_of(run, start - low, stop - low))
    if runs and not out:
        raise ParameterError(
            f"geometry.scan.image_range={first},{last}: no run has such images; they are "
            f"{runs[0].experiment.first_image} to {high}"
        )
    return out


def images_of(run: RunSource, start: int, stop: int) -> RunSource:
    """Return images start .. stop - 1 of a run, counted from 0; they keep their numbers."""
    if (start, stop) == (0, run.shape[0]):
        return run
    scan = run.experiment.scan or Scan(image_range=(1, run.shape[0]))
    n_images = stop - start
    chosen = slice(start, stop)

    def part(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
        return values[chosen] if values and len(values) == run.shape[0] else values

    beam = replace(run.experiment.beam, wavelengths=part(run.experiment.beam.wavelengths))
    return replace(
        run,
        experiment=replace(run.experiment, scan=scan.part(start, stop), beam=beam),
        shape=(n_images, *run.shape[1:]),
        columns={name: values[chosen] for name, values in run.columns.items()},
        reader=ReaderFrom(reader=run.reader, start=start),
        locate=partial(_part_of, run.locate, start, stop),
    )


def _part_of(locate: Callable[[], ChunkManifest], start: int, stop: int) -> ChunkManifest:
    return locate().part(start, stop)
