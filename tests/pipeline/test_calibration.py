"""From raw events and a dark run to photons: truth, and what the files must be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dask
import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from support.calibration_examples import SHAPE, RawRun, raw_run

from dxdask.calibration import (
    Calibration,
    CalibrationParameters,
    CommonModeParameters,
    Dark,
    DarkParameters,
    calibrated_detector,
    common_modes,
    correct,
)
from dxdask.errors import FormatError, InputError, ParameterError
from dxdask.models import Beam, Experiment
from dxdask.pipeline.calibration import from_store, load_calibration, to_store
from dxdask.pipeline.frames import stored
from dxdask.pipeline.run_calibration import (
    RunCalibration,
    calibration_of_run,
    kept_calibration,
)
from dxdask.spotfinding import SpotfinderParameters, find_spots
from dxdask.storage.importers import ImportParameters, RunSource, read_runs
from dxdask.storage.store.calibration import calibration_fingerprint
from dxdask.storage.store.store import Store


@dataclass(frozen=True)
class Simulated:
    """The simulated run: what was made of raw.h5 and dark.h5 alone, and corrected.h5."""

    raw: RunSource
    corrected: RunSource
    calibration: Calibration
    dark: Dark
    parameters: CalibrationParameters
    gain: NDArray[Any]
    bits: NDArray[Any]


@pytest.fixture(scope="module")
def simulated(shared: Path) -> Simulated:
    folder = shared / "data/stills"
    raw = read_runs([folder / "raw.h5"])[0]
    ids = raw.columns["event_id"].tolist()
    corrected = read_runs(
        [folder / "corrected.h5"], ImportParameters.model_validate({"events": ids})
    )[0]
    parameters = CalibrationParameters.model_validate(
        {
            "dark_path": folder / "dark.h5",
            "gain_map": f"{folder}/raw.h5:/entry/calibration/gain_milliADU_per_photon",
            "gain_map_scale": 0.001,
            "unbonded": f"{folder}/raw.h5:/entry/calibration/unbonded",
        }
    )
    frame = raw.shape[1:]
    calibration, dark = load_calibration(raw.experiment.detector, frame, parameters, mask=raw.mask)
    assert dark is not None
    with h5py.File(folder / "corrected.h5", locking=False) as file:
        bits = file["entry/instrument/detector/pixel_mask"][()]
    return Simulated(
        raw, corrected, calibration, dark, parameters, calibration.gain.astype(np.float64), bits
    )


@pytest.mark.shared
def test_every_stuck_and_hot_pixel_is_found_and_no_other(simulated: Simulated) -> None:
    # bits of corrected.h5: 2 dead or hot, 256 unbonded
    assert np.array_equal(simulated.dark.reasons > 0, simulated.bits == 2)
    assert np.array_equal(simulated.calibration.mask, simulated.bits == 0)


@pytest.mark.shared
def test_the_pedestal_is_within_an_adu(simulated: Simulated) -> None:
    s, n = simulated, simulated.raw.shape[0]
    frames, photons = s.raw.read(0, n), s.corrected.read(0, n)
    offsets = common_modes(frames, s.calibration, s.parameters)
    found = np.zeros(frames.shape[1:])
    for i in range(n):
        found += frames[i] - photons[i] * s.gain - np.repeat(offsets[i], 256)[:, None]
    off = (found / n - s.dark.pedestal)[s.calibration.mask]
    assert np.sqrt(np.mean(off**2)) < 0.75  # 0.87 is what 12 dark frames of noise 3 can give


@pytest.mark.shared
def test_the_common_mode_is_within_half_an_adu(simulated: Simulated) -> None:
    s, n = simulated, simulated.raw.shape[0]
    frames = s.raw.read(0, n)
    found = common_modes(frames, s.calibration, s.parameters)
    unbonded = CalibrationParameters.model_validate(
        {"common_mode": {"algorithm": "custom", "custom": {"method": "unbonded_mean"}}}
    )
    other = common_modes(frames, s.calibration, unbonded)
    # the mean of 52 pixels is itself off by 3 / sqrt(52) and the pedestal's part of that
    own = np.sqrt(9 / 52 + 0.75 / 52)
    rms = np.sqrt(np.mean((found - other) ** 2))
    assert rms < np.hypot(own, 0.2)
    assert abs(np.mean(found - other)) < 0.1


@pytest.mark.shared
@pytest.mark.parametrize(
    ("method", "equal", "n_other"), [("default", 0.92, 40), ("unbonded_mean", 0.935, 25)]
)
def test_photons_and_spots_are_those_of_the_corrected_run(
    simulated: Simulated, method: str, equal: float, n_other: int
) -> None:
    s, n = simulated, simulated.raw.shape[0]
    change: dict[str, Any] = {"algorithm": "custom", "custom": {"method": method}}
    if method == "default":
        change = {"algorithm": "default"}
    parameters = CalibrationParameters.model_validate(
        {**s.parameters.model_dump(), "common_mode": change}
    )
    photons = correct(s.raw.read(0, n), s.calibration, parameters)
    expected = s.corrected.read(0, n)
    off = (photons - expected)[:, s.calibration.mask]
    assert np.mean(off == 0) > equal
    assert np.abs(off).max() == 1
    detector = calibrated_detector(
        s.raw.experiment.detector, s.calibration, parameters, s.raw.dtype
    )
    spots = places(photons, replace(s.raw.experiment, detector=detector), s.calibration.mask)
    others = places(expected, s.corrected.experiment, s.corrected.mask)
    assert 3500 < len(others) < 3600
    assert n_far(spots, others) + n_far(others, spots) < n_other


def places(frames: NDArray[Any], experiment: Any, mask: NDArray[np.bool_]) -> NDArray[Any]:
    parameters = SpotfinderParameters.model_validate(
        {
            "force_2d": True,
            "filter": {"min_spot_size": 2},
            "threshold": {
                "algorithm": "dispersion",
                "dispersion": {
                    "gain": 1.5, "global_threshold": 4, "sigma_background": 6, "sigma_strong": 4,
                },
            },
        }
    )  # fmt: skip
    found = find_spots(frames, experiment, mask, parameters).reflections
    far = np.floor(found["z"]) * 1e6 + found["panel"] * 1e4
    return np.column_stack([found["x"] + far, found["y"]])


def n_far(spots: NDArray[Any], others: NDArray[Any]) -> int:
    """Return the number of spots with none of the others within a pixel."""
    return int(np.count_nonzero(cKDTree(others).query(spots)[0] > 1.0))


def files_of(run: RawRun, folder: Path) -> CalibrationParameters:
    with h5py.File(folder / "dark.h5", "w") as file:
        file["entry/data/data"] = run.dark.reshape(-1, 2, 64, 96)
        file["maps/gain"] = (run.gain * 1000).reshape(2, 64, 96)
    np.save(folder / "unbonded.npy", run.unbonded)
    return CalibrationParameters.model_validate(
        {
            "dark_path": folder / "dark.h5",
            "gain_map": f"{folder}/dark.h5:maps/gain",
            "gain_map_scale": 0.001,
            "unbonded": str(folder / "unbonded.npy"),
        }
    )


def test_everything_comes_from_files(tmp_path: Path) -> None:
    run = raw_run(1, noise=1.0)
    parameters = files_of(run, tmp_path)
    found, dark = load_calibration(run.detector, SHAPE, parameters)
    assert dark is not None
    assert np.array_equal(found.mask, ~run.bad & ~run.unbonded)
    out = correct(run.frames, found, parameters)
    assert np.mean(out[:, found.mask] == run.photons[:, found.mask]) > 0.998
    back = from_store(to_store(found), run.detector)
    assert back.fingerprint == found.fingerprint


def test_each_file_changes_its_map(tmp_path: Path) -> None:
    run = raw_run(1)
    parameters = files_of(run, tmp_path)
    found, _ = load_calibration(run.detector, SHAPE, parameters)
    mask = np.ones(SHAPE, dtype=np.bool_)
    mask[10:20] = False
    np.save(tmp_path / "good.npy", mask)
    np.save(tmp_path / "bits.npy", (~mask).astype(np.uint32) * 4)
    for name in ("good", "bits"):
        given = parameters.model_copy(update={"mask": str(tmp_path / f"{name}.npy")})
        masked, _ = load_calibration(run.detector, SHAPE, given)
        assert np.array_equal(masked.mask, found.mask & mask)
    masked, _ = load_calibration(run.detector, SHAPE, parameters, mask=mask)
    assert np.array_equal(masked.mask, found.mask & mask)
    flat = parameters.model_copy(update={"gain_map": None, "gain": 5.0})
    assert set(np.unique(load_calibration(run.detector, SHAPE, flat)[0].gain)) == {1.0, 5.0}
    holes = run.gain.astype(np.float32)
    holes[40, 40] = 0.0
    np.save(tmp_path / "gain.npy", holes)
    given = parameters.model_copy(
        update={"gain_map": str(tmp_path / "gain.npy"), "gain_map_scale": 1.0}
    )
    assert not load_calibration(run.detector, SHAPE, given)[0].mask[40, 40]
    given = given.model_copy(update={"gain": 6.0})
    assert load_calibration(run.detector, SHAPE, given)[0].gain[40, 40] == 6.0
    none, dark = load_calibration(run.detector, SHAPE, CalibrationParameters())
    assert dark is None
    assert not none.pedestal.any()


def test_files_of_another_detector_are_refused(tmp_path: Path) -> None:
    run = raw_run(1)
    parameters = files_of(run, tmp_path)
    with h5py.File(tmp_path / "small.h5", "w") as file:
        file["entry/data/data"] = run.dark[:, :64]
    given = parameters.model_copy(update={"dark_path": tmp_path / "small.h5"})
    with pytest.raises(InputError, match="give a dark run of the same detector"):
        load_calibration(run.detector, SHAPE, given)
    given = parameters.model_copy(update={"dark_path": tmp_path / "none.h5"})
    with pytest.raises(InputError, match="there is no file"):
        load_calibration(run.detector, SHAPE, given)
    (tmp_path / "mask.pickle").write_bytes(b"\x80\x04N.")
    given = parameters.model_copy(update={"mask": str(tmp_path / "mask.pickle")})
    with pytest.raises(FormatError, match="can run code"):
        load_calibration(run.detector, SHAPE, given)


def in_store(run: RawRun, folder: Path) -> Store:
    store = Store.create(folder / "a.zarr")
    experiment = Experiment(identifier="", run="r", beam=Beam(), detector=run.detector)
    n = len(run.frames)
    mask = np.ones(SHAPE, dtype=np.bool_)
    mask[0] = False
    with store.writing():
        writer = store.create_run(
            "r", experiment, n_images=n, shape=SHAPE, dtype=np.uint16, mask=mask
        )
        writer.write(0, run.frames)
        writer.finish()
    return store


def test_a_run_of_a_store_is_calibrated_once(tmp_path: Path) -> None:
    run = raw_run(1)
    parameters, store = files_of(run, tmp_path), in_store(run, tmp_path)
    reduced = []

    def compute(task: Any) -> Any:
        reduced.append(1)
        return dask.compute(task, scheduler="synchronous")[0]

    def calibration(given: CalibrationParameters) -> RunCalibration:
        mask = store.imported_mask("r")
        with store.writing():
            found = calibration_of_run(store, "r", run.detector, mask, given, compute=compute)
        assert found is not None
        kept = kept_calibration(store, "r", run.detector)
        assert kept is not None
        assert kept.fingerprint == found.fingerprint
        return found

    assert kept_calibration(store, "r", run.detector) is None
    found = calibration(parameters)
    direct, _ = load_calibration(run.detector, SHAPE, parameters, mask=store.mask("r"))
    good = store.mask("r") & ~run.bad & ~run.unbonded
    assert np.array_equal(found.calibration.mask, good)
    frames = found.of_frames(stored(store, "r"))
    read = frames.array().compute(scheduler="synchronous")
    assert np.array_equal(read, correct(run.frames, direct, parameters))
    assert np.array_equal(frames.read(1, 3), read[1:3])
    assert (frames.shape, frames.dtype) == (read.shape, read.dtype)
    counting = found.of_experiment(store.run_experiment("r"), run.frames.dtype)
    assert counting.detector[0].trusted_range[0] < 0
    again = calibration(parameters)
    assert len(reduced) == 1
    assert again.fingerprint == found.fingerprint
    assert again.of_frames(stored(store, "r")).array().name == frames.array().name
    # another common mode needs no other maps of pixels, but gives other frames
    other = parameters.model_copy(update={"common_mode": CommonModeParameters(algorithm="none")})
    assert calibration(other).fingerprint != found.fingerprint
    assert len(reduced) == 1
    before = calibration_fingerprint(store.path, "r")
    narrow = parameters.model_copy(update={"dark": DarkParameters(n_mad_mean=2.0)})
    assert calibration(narrow).fingerprint != found.fingerprint
    assert len(reduced) == 2
    assert calibration_fingerprint(store.path, "r") != before


def test_a_calibration_holds_until_another_is_given(tmp_path: Path) -> None:
    run = raw_run(1)
    store = in_store(run, tmp_path)
    no_common_mode = CommonModeParameters(algorithm="none")
    parameters = files_of(run, tmp_path).model_copy(update={"common_mode": no_common_mode})

    def calibration(given: CalibrationParameters) -> RunCalibration | None:
        with store.writing():
            return calibration_of_run(store, "r", run.detector, store.imported_mask("r"), given)

    assert calibration(CalibrationParameters()) is None
    first = calibration(parameters)
    (tmp_path / "dark.h5").rename(tmp_path / "moved.h5")  # its maps are in the store
    again = calibration(CalibrationParameters())
    assert first is not None
    assert again is not None
    assert again.fingerprint == first.fingerprint
    assert again.parameters == first.parameters
    adu = calibration(CalibrationParameters(output="adu"))
    assert adu is not None
    assert adu.fingerprint != first.fingerprint
    assert adu.parameters.common_mode == no_common_mode
    # a file that lies elsewhere now gives the same frames
    moved_to = {"dark_path": tmp_path / "moved.h5", "gain_map": f"{tmp_path}/moved.h5:maps/gain"}
    given = parameters.model_copy(update=moved_to)
    moved = calibration(given)
    assert moved is not None
    assert moved.fingerprint == first.fingerprint


def test_parameters_without_files_or_a_gain_are_refused(tmp_path: Path) -> None:
    run = raw_run(1)
    store = in_store(run, tmp_path)

    def calibration(**given: Any) -> RunCalibration | None:
        parameters, mask = CalibrationParameters(**given), store.imported_mask("r")
        with store.writing():
            return calibration_of_run(store, "r", run.detector, mask, parameters)

    with pytest.raises(
        ParameterError,
        match=r"common_mode is given, but nothing to calibrate r by.*calibration\.dark_path",
    ):
        calibration(common_mode={"algorithm": "none"})
    with pytest.raises(ParameterError, match="output is given"):
        calibration(output="adu")
    assert calibration(gain=7.0) is not None
    assert calibration(output="adu") is not None
    with pytest.raises(ParameterError, match="dark is given"):
        calibration(dark={"min_frames": 5})
    with pytest.raises(ParameterError, match="gain_map_scale is given"):
        calibration(gain_map_scale=0.001)
