"""Calibration of a run of a store: from parameters, else as it was before."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import DTypeLike, NDArray

from dxdask.calibration import Calibration, CalibrationParameters, calibrated_detector
from dxdask.errors import ParameterError
from dxdask.models import Detector, Experiment
from dxdask.pipeline.calibration import (
    COUNTING,
    Compute,
    from_store,
    load_calibration,
    maps_fingerprint,
    to_store,
)
from dxdask.pipeline.frames import RunFrames
from dxdask.storage.store.calibration import (
    calibration_parameters,
    read_calibration,
    write_calibration,
)
from dxdask.storage.store.provenance import fingerprint
from dxdask.storage.store.store import Store


@dataclass(frozen=True)
class RunCalibration:
    """Maps of the pixels of a run, and the parameters of the counting of its frames."""

    calibration: Calibration
    parameters: CalibrationParameters

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the correction of the run's frames; independent of the paths of files."""
        how = self.parameters.model_dump(mode="json", include=set(COUNTING))
        return fingerprint("calibration", how, [self.calibration.fingerprint], "1")

    def of_frames(self, frames: RunFrames) -> RunFrames:
        """Return the frames of a run corrected."""
        return replace(frames, calibration=self.calibration, parameters=self.parameters)

    def of_detector(self, detector: Detector, recorded: DTypeLike) -> Detector:
        """Return the detector of corrected frames; `recorded` is the dtype of those as recorded."""
        return calibrated_detector(
            detector, self.calibration, self.parameters, np.dtype(recorded)
        )  # fmt: skip

    def of_experiment(self, experiment: Experiment, recorded: DTypeLike) -> Experiment:
        """Return the models of a run with that detector."""
        return replace(experiment, detector=self.of_detector(experiment.detector, recorded))


def kept_calibration(store: Store, run: str, detector: Detector) -> RunCalibration | None:
    """Return the last calibration of a run, None where there was none.

    detector : the run's, as imported.

    Raises
    ------
    SchemaError
        What the store holds of it is damaged.
    """
    kept, given = read_calibration(store.path, run), calibration_parameters(store.path, run)
    if kept is None:
        return None
    parameters = CalibrationParameters.model_validate(given or {})
    return RunCalibration(from_store(kept, detector), parameters)


def calibration_of_run(
    store: Store,
    run: str,
    detector: Detector,
    mask: NDArray[np.bool_],
    parameters: CalibrationParameters,
    *,
    compute: Compute | None = None,
    force: bool = False,
) -> RunCalibration | None:
    """Return the calibration of a run from parameters, else the last one; None without either.

    It is kept in the store, and holds for all that reads the run from then on: where parameters
    name no files and no gain, its maps are taken, and with them how frames were counted but for
    what parameters change. Maps that were made of the same files in the same way are not made
    again, unless `force`. The caller holds the lock.

    detector : the run's, as imported. mask : (slow, fast), as imported, True is good. compute : see
    `load_calibration`.

    Raises
    ------
    InputError, FormatError
        See `load_calibration`.
    ParameterError
        Parameters of a calibration are given, but neither files nor a gain.
    """
    kept = read_calibration(store.path, run)
    if not any(getattr(parameters, name) is not None for name in _ASKING):
        _require_something_to_calibrate_by(parameters, run, kept=kept is not None)
        if kept is None:
            return None
        maps, maps_print = from_store(kept, detector), kept.fingerprint
        parameters = _with_those_before(store, run, parameters)
    else:
        maps_print = maps_fingerprint(parameters)
        if kept is not None and kept.fingerprint == maps_print and not force:
            maps = from_store(kept, detector)
        else:
            shape = int(mask.shape[0]), int(mask.shape[1])
            maps, _ = load_calibration(detector, shape, parameters, mask=mask, compute=compute)
            kept = None
    given = parameters.model_dump(mode="json")
    if kept is None or calibration_parameters(store.path, run) != given:
        store.hold_runs()
        write_calibration(store.path, run, to_store(maps, maps_print), parameters=given)
    return RunCalibration(maps, parameters)


def _require_something_to_calibrate_by(
    parameters: CalibrationParameters, run: str, *, kept: bool
) -> None:
    """Refuse parameters of a calibration without files or a gain."""
    usual = CalibrationParameters()
    names = [n for n in CalibrationParameters.model_fields if not (kept and n in COUNTING)]
    given = [n for n in names if getattr(parameters, n) != getattr(usual, n)]
    if given:
        raise ParameterError(
            f"calibration.{given[0]} is given, but nothing to calibrate {run} by; give "
            f"one of {', '.join(f'calibration.{name}' for name in _ASKING)}"
        )


def _with_those_before(
    store: Store, run: str, parameters: CalibrationParameters
) -> CalibrationParameters:
    """Return the parameters of the last calibration, with those of counting given now."""
    before = CalibrationParameters.model_validate(calibration_parameters(store.path, run) or {})
    usual = CalibrationParameters()
    now = {n: getattr(parameters, n) for n in COUNTING}
    return before.model_copy(update={n: v for n, v in now.items() if v != getattr(usual, n)})


_ASKING = ("dark_path", "gain", "gain_map", "mask", "unbonded")
