"""What the steps of stills read: lazy frames, calibrated if asked for, and what events share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from dask.delayed import Delayed
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.cluster.client import Cluster
from dxdask.graphs.stills.process import RunOfFrames
from dxdask.graphs.stills.run import StillsRun, stills_run
from dxdask.models import Experiment, ExperimentList
from dxdask.pipeline.calibration import Compute
from dxdask.pipeline.frames import RunFrames
from dxdask.pipeline.run_calibration import calibration_of_run
from dxdask.pipeline.stills.parameters import StillsStepParameters
from dxdask.spotfinding.parameters import LookupParameters
from dxdask.storage.store import masks
from dxdask.storage.store.provenance import fingerprint
from dxdask.storage.store.store import Store


@dataclass(frozen=True, kw_only=True)
class EventsOfRun:
    """A run as it was imported, or is being imported.

    Attributes
    ----------
    experiment : its models. incoming : its frames as they are first read. frames : those in the
    store. mask : (slow, fast), True is good. fingerprint : of the import. event_ids : (n,) or None.
    geometry : the models to index and integrate by, where they are known better.
    """

    experiment: Experiment
    incoming: RunFrames
    frames: RunFrames
    mask: Mask
    fingerprint: str
    event_ids: NDArray[np.int64] | None = None
    geometry: Experiment | None = None


class RunOfEvents(NamedTuple):
    """A run to process, of whose frames an array is made for the steps that read them."""

    frames: RunFrames
    run: StillsRun

    def lazy(self) -> RunOfFrames:
        """Return the run with its frames as a dask array."""
        return RunOfFrames(self.frames.array(), self.run)


@dataclass(frozen=True, kw_only=True)
class StillsInputs:
    """Runs for the graph.

    Attributes
    ----------
    incoming, frames : the runs with the frames as first read, and with those in the store.
    prints : fingerprint of each import. contents : what steps read beside that, by their names.
    """

    incoming: Sequence[RunOfEvents]
    frames: Sequence[RunOfEvents]
    prints: Sequence[str]
    contents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def stills_inputs(
    store: Store, runs: Sequence[EventsOfRun], parameters: StillsStepParameters, cluster: Cluster
) -> StillsInputs:
    """Return what the graph takes; a dark run, if there is one, is reduced now.

    Raises
    ------
    InputError, FormatError
        A file that parameters name is not there, damaged or of other frames; frames, models and
        parameters do not fit each other.
    """
    gain_map, spot_mask = _gain_map(parameters, runs), _spot_mask(parameters, runs)
    # what its files hold is read here, for all runs
    found = parameters.spotfinder.model_copy(update={"lookup": LookupParameters()})
    of_events = parameters.model_copy(update={"spotfinder": found})
    of_steps: dict[str, dict[str, Any]] = {"find_spots": {}, "index": {}, "integrate": {}}
    incoming, frames = [], []
    reduced: dict[str, Any] = {}

    def compute(task: Delayed) -> Any:
        # the pass over a dark run, one for all runs, takes as long as one over events
        if task.key not in reduced:
            reduced[task.key] = cluster.compute([task], label="pedestal")[0]
        return reduced[task.key]

    for index, given in enumerate(runs):
        events, calibration = _calibrated(store, given, parameters, compute)
        shared = stills_run(
            events.experiment,
            events.frames.shape,
            of_events,
            index=index,
            mask=events.mask,
            spot_mask=events.mask if spot_mask is None else events.mask & spot_mask,
            geometry=events.geometry,
            event_ids=events.event_ids,
            gain_map=gain_map,
        )
        incoming.append(RunOfEvents(events.incoming, shared))
        frames.append(RunOfEvents(events.frames, shared))
        name = events.experiment.run
        if calibration is not None:
            of_steps["find_spots"][f"calibration.{name}"] = calibration
            of_steps["integrate"][f"calibration.{name}"] = calibration
        if events.geometry is not None:
            models = ExperimentList.of([events.geometry]).to_dict()
            of_steps["index"][f"geometry.{name}"] = fingerprint("geometry", models, [], "1")
            of_steps["integrate"][f"mask.{name}"] = masks.digest(shared.mask)
    if spot_mask is not None:
        of_steps["find_spots"]["lookup.mask"] = masks.digest(spot_mask)
    if gain_map is not None:
        of_steps["find_spots"]["lookup.gain_map"] = masks.digest(gain_map)
    if parameters.hits.method == "peakfinder8":
        of_steps["find_spots"]["peaks"] = parameters.hits.of_peaks
    # domain sizes are found with the crystals
    of_steps["index"]["bandwidth"] = parameters.integration.prediction.bandwidth
    return StillsInputs(
        incoming=incoming, frames=frames, prints=[e.fingerprint for e in runs], contents=of_steps
    )


def _calibrated(
    store: Store, events: EventsOfRun, given: StillsStepParameters, compute: Compute
) -> tuple[EventsOfRun, str | None]:
    """Return the run with frames as photons, and what tells how; as it is if nothing is asked."""
    run, detector = events.experiment.run, events.experiment.detector
    # what apply_mask has put on a run is not in the calibration: it may be taken away again
    mask = store.imported_mask(run) if store.has_run(run) else events.mask
    how = calibration_of_run(
        store, run, detector, mask, given.calibration, compute=compute, force=given.force
    )
    if how is None:
        return events, None
    dtype, geometry = events.frames.dtype, events.geometry
    return replace(
        events,
        experiment=how.of_experiment(events.experiment, dtype),
        geometry=None if geometry is None else how.of_experiment(geometry, dtype),
        incoming=how.of_frames(events.incoming),
        frames=how.of_frames(events.frames),
        mask=events.mask & how.calibration.mask,
    ), how.fingerprint


def _gain_map(
    parameters: StillsStepParameters, runs: Sequence[EventsOfRun]
) -> NDArray[np.float64] | None:
    path = parameters.spotfinder.lookup.gain_map
    if path is None:
        return None
    gain_map = masks.read_gain_map(path, "lookup.gain_map")
    for events in runs:
        what = f"lookup.gain_map={path}"
        masks.check_size(what, gain_map.shape, events.experiment.run, events.frames.shape[1:])
    return gain_map


def _spot_mask(parameters: StillsStepParameters, runs: Sequence[EventsOfRun]) -> Mask | None:
    path = parameters.spotfinder.lookup.mask
    if path is None:
        return None
    mask = masks.read_mask(path, "lookup.mask")
    for events in runs:
        what = f"lookup.mask={path}"
        masks.check_size(what, mask.shape, events.experiment.run, events.frames.shape[1:])
    return mask
