"""A raw detector records what was put in: pedestal, gain, common mode, modules out of place."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dxdask.calibration import calibration_of, correct, reduce_dark_run
from dxdask.calibration.correct import common_modes
from dxdask.errors import InputError
from dxdask.simulation import Simulation, SimulationParameters, jet, simulate
from dxdask.simulation.geometry import module_rows
from dxdask.storage.exporters.simulated import write_simulation
from dxdask.storage.importers import read_runs
from dxdask.storage.importers.parameters import ImportParameters
from dxdask.storage.importers.reference_geometry import read_geometry


def small(**raw: float) -> SimulationParameters:
    values = jet().model_dump()
    values["scan"]["n_images"] = 6
    values["detector"]["n_dead"] = values["detector"]["n_hot"] = 8
    values["detector"]["raw"] |= {"n_unbonded": 20, **raw}
    return SimulationParameters.model_validate(values)


@pytest.fixture(scope="module")
def shots() -> Simulation:
    return simulate(small())


@pytest.fixture(scope="module")
def photons() -> Simulation:
    """The same shots on a detector that counts photons."""
    return simulate(small(enabled=False))


def good_pixels(simulation: Simulation) -> np.ndarray:
    good = simulation.pixel_mask == 0
    for bad in (simulation.bad.dead, simulation.bad.hot):
        good[tuple(bad.T)] = False
    return good & ~simulation.raw_pixels.unbonded


def test_frames_are_photons_times_gain_on_pedestal_and_common_mode(
    shots: Simulation, photons: Simulation
) -> None:
    pixels, good = shots.raw_pixels, good_pixels(shots)
    raw, counted = shots.frames(0, 0, 6).astype(float), photons.frames(0, 0, 6)
    left = raw - pixels.pedestal - pixels.gain * counted
    for rows, offsets in zip(
        module_rows(shots.parameters.detector), shots.common_modes(0).T, strict=True
    ):
        left[:, rows] -= offsets[:, None, None]
    # 3 ADU and the rounding to integers
    assert np.sqrt((left[:, good] ** 2).mean()) == pytest.approx(np.sqrt(9 + 1 / 12), rel=0.01)
    assert np.abs(left[:, good].mean(axis=1)).max() < 0.05
    unbonded = pixels.unbonded & (shots.pixel_mask == 0)
    dark = raw - pixels.pedestal
    assert np.abs(dark[:, unbonded].mean(axis=1)).max() < 12  # common mode, no photons
    assert (raw[(slice(None), *shots.bad.dead.T)] == 0).all()


def test_a_frame_does_not_depend_on_those_before(shots: Simulation) -> None:
    np.testing.assert_array_equal(shots.frames(0, 4, 6), shots.frames(0, 0, 6)[4:])
    np.testing.assert_array_equal(shots.dark_frames(3, 5), shots.dark_frames(0, 5)[3:])


def test_calibration_finds_what_was_put_in(shots: Simulation, photons: Simulation) -> None:
    detector = shots.experiments[0].detector
    dark = reduce_dark_run(shots.dark_frames(0, shots.n_dark), detector)
    good = good_pixels(shots)
    for bad in (shots.bad.dead, shots.bad.hot):
        assert (dark.reasons[tuple(bad.T)] > 0).all()
    assert (dark.reasons[good] == 0).mean() > 0.9999
    calibration = calibration_of(
        detector,
        shots.shape[1:],
        pedestal=dark.pedestal,
        noise=dark.noise,
        gain=shots.raw_pixels.gain,
        bad=(dark.reasons > 0) | (shots.pixel_mask != 0),
        unbonded=shots.raw_pixels.unbonded,
        n_dark=shots.n_dark,
    )
    frames = shots.frames(0, 0, 6)
    # the pedestal holds the mean common mode of the dark run
    found, put_in = common_modes(frames, calibration), shots.common_modes(0)
    off = found - put_in
    assert np.abs(off - off.mean(axis=0)).max() < 0.5
    same = correct(frames, calibration) == photons.frames(0, 0, 6)
    assert same[:, calibration.mask & good].mean() > 0.6  # 3.1 ADU of noise at 7 ADU a photon


def test_no_common_mode_and_no_noise_give_exact_counts() -> None:
    shots = simulate(small(noise=0.0, common_mode=0.0, gain_spread=0.0, pedestal_spread=0.0))
    photons, good = simulate(small(enabled=False)), good_pixels(shots)
    raw = shots.frames(0, 0, 2)[:, good].astype(np.int64)
    np.testing.assert_array_equal(raw, 1000 + 7 * photons.frames(0, 0, 2)[:, good].astype(np.int64))
    assert (shots.dark_frames(0, 2)[:, good] == 1000).all()


def test_modules_are_rotated_about_their_centres(shots: Simulation) -> None:
    straight = simulate(
        jet(detector=jet().detector.model_dump() | {"module_rotations": ()})
    ).detector.panels
    for true, before, angle in zip(
        shots.detector.panels, straight, shots.parameters.detector.module_rotations, strict=True
    ):
        middle = np.array(true.image_size) * true.pixel_size / 2
        np.testing.assert_allclose(true.lab_coordinates(middle), before.lab_coordinates(middle))
        turn = np.degrees(np.arctan2(true.fast_axis @ np.asarray(before.slow_axis), true.fast_axis
                                     @ np.asarray(before.fast_axis)))  # fmt: skip
        about = np.sign(np.cross(before.fast_axis, before.slow_axis) @ true.normal)
        assert turn * about == pytest.approx(angle, abs=1e-9)


def test_files_hold_the_events_the_dark_run_and_the_truth(
    shots: Simulation, tmp_path: Path
) -> None:
    files = write_simulation(tmp_path, shots)
    run = read_runs([str(f) for f in files], ImportParameters())[0]
    np.testing.assert_array_equal(run.reader.read(0, 6), shots.frames(0, 0, 6))
    assert run.columns["event_id"].tolist() == [1_000_000 + i for i in range(6)]
    np.testing.assert_allclose(np.diff(run.columns["timestamp"]), 1 / 120, rtol=1e-4)
    assert run.experiment.detector[0].trusted_range[1] > 60000
    dark = read_runs([str(tmp_path / "dark.nxs")], ImportParameters())[0]
    np.testing.assert_array_equal(dark.reader.read(0, 24), shots.dark_frames(0, 24))
    truth = json.loads((tmp_path / "truth.json").read_text())
    np.testing.assert_array_equal(truth["common_mode"][0], shots.common_modes(0))
    np.testing.assert_array_equal(np.load(tmp_path / "gain.npy"), shots.raw_pixels.gain)
    found = read_geometry(tmp_path / "true.geom").detector
    for panel, true in zip(found.panels, shots.detector.panels, strict=True):
        np.testing.assert_allclose(panel.d_matrix, true.d_matrix, atol=1e-8)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="one of each for every module"):
        jet(detector={"module_rotations": (0.1,)})
    with pytest.raises(InputError, match="there are 24, from 0"):
        simulate(small()).dark_frames(0, 25)
    with pytest.raises(InputError, match="there are 0"):
        simulate(small(enabled=False)).dark_frames(0, 1)
