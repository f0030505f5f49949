"""Runs as steps read them: models, lazy frames and masks, calibrated where the run is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.errors import InputError, ParameterError, StoreNotFoundError
from dxdask.models import Experiment
from dxdask.pipeline.images import ImageRange, experiment_of_images
from dxdask.pipeline.kinds import Kind
from dxdask.storage.store.calibration import calibration_fingerprint
from dxdask.storage.store.provenance import fingerprint
from dxdask.storage.store.run_writer import RunWriter
from dxdask.storage.store.store import Store

if TYPE_CHECKING:
    from dxdask.pipeline.frame_readers import ImportingReader
    from dxdask.pipeline.frames import RunFrames
    from dxdask.pipeline.run_calibration import RunCalibration
    from dxdask.storage.formats import RunSource


@dataclass(frozen=True, kw_only=True)
class RunInput:
    """A run as it was imported, or is being imported; frames and masks are loaded on access.

    Attributes
    ----------
    experiment : its models. shape : (image, slow, fast). dtype : of the frames as recorded.
    fingerprint : of its frames, its mask and its calibration. event_ids : (n,), of stills.
    writer : of a run that is imported as its frames are first read.
    geometry : the models to index and integrate by, where they are known better.
    images : first and last image, where the run is restricted to them.
    """

    experiment: Experiment
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    fingerprint: str
    load_frames: Callable[[], RunFrames]
    load_mask: Callable[[], Mask]
    load_imported_mask: Callable[[], Mask]
    load_incoming: Callable[[], RunFrames] | None = None
    writer: RunWriter | None = None
    event_ids: NDArray[np.int64] | None = None
    geometry: Experiment | None = None
    images: ImageRange | None = None

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.experiment.run

    @property
    def kind(self) -> Kind:
        """Sweeps, or stills."""
        return kind_of(self.experiment)

    @cached_property
    def frames(self) -> RunFrames:
        """Frames in the store."""
        return self.load_frames()

    @cached_property
    def incoming(self) -> RunFrames:
        """Frames as they are first read: from raw files, and written to the store, or `frames`."""
        return self.frames if self.load_incoming is None else self.load_incoming()

    @cached_property
    def mask(self) -> Mask:
        """Usable pixels (slow, fast): as imported, as applied, as calibrated."""
        return self.load_mask()

    @cached_property
    def imported_mask(self) -> Mask:
        """Usable pixels (slow, fast) as imported."""
        return self.load_imported_mask()

    def of_images(self, images: ImageRange | None) -> RunInput:
        """Return the run with these images only, first and last, counted as in its scan; None: all.

        Raises
        ------
        ParameterError
            The run does not have these images.
        """
        if images is None:
            return self
        first, last = images
        start, n = self.experiment.first_image, self.shape[0]
        if not start <= first <= last < start + n:
            raise ParameterError(
                f"images={first},{last}: {self.name} has images {start} to {start + n - 1}"
            )
        rows = slice(first - start, last - start + 1)
        known = self.geometry
        return replace(
            self,
            experiment=experiment_of_images(self.experiment, images),
            geometry=None if known is None else experiment_of_images(known, images),
            shape=(last - first + 1, *self.shape[1:]),
            event_ids=None if self.event_ids is None else self.event_ids[rows],
            load_frames=lambda: self.load_frames().of_images(rows.start, rows.stop),
            images=images,
        )


def kind_of(experiment: Experiment) -> Kind:
    """Return the kind of an experiment: sweeps have a scan whose images have a width."""
    scan = experiment.scan
    return "stills" if scan is None or scan.is_still else "sweeps"


def kind_of_store(store: Store) -> Kind | None:
    """Return the kind of the runs of a store, None where there are none.

    Raises
    ------
    InputError
        There are both.
    """
    kinds = {kind_of(store.run_experiment(run)): run for run in store.runs}
    if len(kinds) > 1:
        raise InputError(
            f"{store.path} holds sweeps ({kinds['sweeps']}) and stills ({kinds['stills']}); name "
            "runs of one kind: runs=NAME,..."
        )
    return next(iter(kinds), None)


def stored_runs(store: Store, names: Sequence[str] | None = None) -> list[RunInput]:
    """Return runs of a store, all or those named, in the order of import.

    Raises
    ------
    StoreNotFoundError
        There are none.
    ParameterError
        One that is named is not there.
    """
    there = store.runs
    if not there:
        raise StoreNotFoundError(f"{store.path} holds no complete run; run: dxdask import FILES")
    unknown = [name for name in names or () if name not in there]
    if unknown:
        raise ParameterError(
            f"runs={','.join(unknown)}: {store.path} holds no such run; its runs are "
            f"{', '.join(there)}"
        )
    return [_stored_run(store, run) for run in there if not names or run in names]


def _stored_run(store: Store, run: str) -> RunInput:
    reader = store.frame_reader(run)
    return RunInput(
        experiment=store.run_experiment(run),
        shape=reader.shape,
        dtype=reader.dtype,
        fingerprint=store.frames_fingerprint(run),
        load_frames=lambda: _stored_frames(store, run),
        load_mask=lambda: store.mask(run),
        load_imported_mask=lambda: store.imported_mask(run),
        event_ids=store.image_columns(run).get("event_id"),
    )


# Frames load Dask, which commands that read none do without.


def _stored_frames(store: Store, run: str) -> RunFrames:
    from dxdask.pipeline import frames

    return frames.stored(store, run)


def _incoming_frames(reader: ImportingReader) -> RunFrames:
    from dxdask.pipeline import frames

    return frames.RunFrames(reader=reader)


def source_runs(
    store: Store,
    sources: Sequence[RunSource],
    readers: Mapping[str, ImportingReader],
    prints: Mapping[str, str],
) -> list[RunInput]:
    """Return runs of raw files: those in the store already, and those that are being imported.

    readers : of runs that are not complete. prints : fingerprint of the import of each run.
    """
    return [
        _incoming_run(store, s, readers[s.name], prints[s.name])
        if s.name in readers
        else _stored_run(store, s.name)
        for s in sources
    ]


def _incoming_run(
    store: Store, source: RunSource, reader: ImportingReader, imported: str
) -> RunInput:
    return RunInput(
        experiment=source.experiment,
        shape=source.shape,
        dtype=np.dtype(source.dtype),
        fingerprint=imported,
        load_frames=lambda: _stored_frames(store, source.name),
        load_incoming=lambda: _incoming_frames(reader),
        load_mask=lambda: source.mask,
        load_imported_mask=lambda: source.mask,
        writer=reader.writer,
        event_ids=source.columns.get("event_id"),
    )


def with_kept_calibration(store: Store, run: RunInput) -> RunInput:
    """Return a run with frames in photons if it was calibrated before, else as it is."""
    if calibration_fingerprint(store.path, run.name) is None:
        return run
    # loads what reads raw files, which most stores do without
    from dxdask.pipeline.run_calibration import kept_calibration

    calibration = kept_calibration(store, run.name, run.experiment.detector)
    return run if calibration is None else calibrated(run, calibration)


def calibrated(run: RunInput, calibration: RunCalibration) -> RunInput:
    """Return a run with frames, models and mask calibrated."""
    incoming = run.load_incoming
    return replace(
        run,
        experiment=calibration.of_experiment(run.experiment, run.dtype),
        geometry=None
        if run.geometry is None
        else calibration.of_experiment(run.geometry, run.dtype),
        fingerprint=fingerprint("calibrated", {}, [run.fingerprint, calibration.fingerprint], "1"),
        load_frames=lambda: calibration.of_frames(run.load_frames()),
        load_incoming=None if incoming is None else lambda: calibration.of_frames(incoming()),
        load_mask=lambda: run.load_mask() & calibration.calibration.mask,
    )
