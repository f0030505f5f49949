"""Steps that read frames, on stores that know how their runs are calibrated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.calibration_examples import SHAPE, RawRun, raw_run

import dxdask
from dxdask.calibration import CalibrationParameters, calibration_of
from dxdask.errors import LinkedFileError
from dxdask.models import Beam, Experiment, Scan
from dxdask.pipeline.calibration import to_store
from dxdask.pipeline.run_calibration import kept_calibration
from dxdask.storage.exporters.nxmx import write_nxmx
from dxdask.storage.store.calibration import write_calibration
from dxdask.storage.store.store import Store

SPOTS = {
    "threshold": {"algorithm": "dispersion", "dispersion": {"global_threshold": 8}},
    "filter": {"min_spot_size": 1},
    "force_2d": True,
    "mask_bad_pixels": False,  # a spot at the same place on all images
}


@pytest.fixture
def run() -> RawRun:
    return raw_run(3)


@pytest.fixture
def store(run: RawRun, tmp_path: Path) -> Store:
    """Return a store of this run, which was calibrated as is known of it."""
    store = Store.create(tmp_path / "a.zarr")
    experiment = Experiment(identifier="", run="r", beam=Beam(), detector=run.detector)
    with store.writing():
        writer = store.create_run(
            "r", experiment, n_images=len(run.frames), shape=SHAPE, dtype=np.uint16
        )
        writer.write(0, run.frames)
        writer.finish()
    return store


def calibrate(store: Store, run: RawRun, gain: float = 1.0, output: str = "photons") -> None:
    calibration = calibration_of(
        run.detector,
        SHAPE,
        pedestal=run.pedestal.astype(np.float32),
        noise=np.full(SHAPE, 2.0, np.float32),
        gain=(run.gain * gain).astype(np.float32),
        bad=run.bad,
    )
    given = CalibrationParameters.model_validate({"gain": 7.0, "output": output})
    with store.writing():
        write_calibration(
            store.path, "r", to_store(calibration), parameters=given.model_dump(mode="json")
        )


def test_the_gain_is_that_of_photons(store: Store, run: RawRun) -> None:
    def gain() -> float:
        dxdask.estimate_gain(store, kernel_size=(4, 4), show=dxdask.quiet)
        return float(store.table("estimate_gain", "runs")["gain"].iloc[0])

    recorded = gain()
    calibrate(store, run)
    # counts of photons scatter as these do; what was recorded, as pedestals do
    assert gain() == pytest.approx(1.0, abs=0.1)
    assert recorded > 1.3
    # half the photons of each pixel: a scatter of half, and what rounding adds
    calibrate(store, run, gain=2.0)
    assert gain() == pytest.approx(0.75, abs=0.15)


def test_spots_are_those_of_photons_and_found_again_if_calibrated_otherwise(
    store: Store, run: RawRun
) -> None:
    calibrate(store, run)
    dxdask.find_spots(store, show=dxdask.quiet, **SPOTS)
    spots = store.columns("find_spots")
    at = (np.floor(spots["x"]) == 30) & (np.floor(spots["y"]) == 30) & (spots["panel"] == 0)
    assert at.sum() == len(run.frames)
    assert spots["intensity_sum"][at].mean() == pytest.approx(400.0, rel=0.02)
    assert not np.isin(spots["panel"] * 64 + np.floor(spots["y"]), (70, 90)).any()
    first = store.step_attributes("find_spots")["id"]
    dxdask.find_spots(store, show=dxdask.quiet, **SPOTS)
    assert store.step_attributes("find_spots")["id"] == first
    calibrate(store, run, gain=2.0)
    dxdask.find_spots(store, show=dxdask.quiet, **SPOTS)
    assert store.step_attributes("find_spots")["id"] != first


def test_bad_pixels_are_found_in_recorded_frames(store: Store, run: RawRun) -> None:
    def bad() -> np.ndarray:
        dxdask.find_bad_pixels(store, show=dxdask.quiet)
        return ~store.arrays("find_bad_pixels")["mask"][0]

    recorded = bad()
    assert recorded[3, 4]
    assert recorded[70, 9]
    calibrate(store, run)
    assert np.array_equal(bad(), recorded)


def test_a_moved_linked_file_is_reported_for_calibrated_runs(run: RawRun, tmp_path: Path) -> None:
    experiment = Experiment(identifier="", run="r", beam=Beam(), detector=run.detector)
    raw = tmp_path / "r.nxs"
    scan = Scan(image_range=(1, len(run.frames)), oscillation=(0.0, 0.0))
    write_nxmx(
        raw,
        replace(experiment, scan=scan),
        run.frames,
        shape=run.frames.shape,
        dtype=np.uint16,
        pixel_mask=np.zeros(SHAPE, np.uint32),
    )
    store = dxdask.import_([raw], tmp_path / "linked.zarr", link=True)
    calibrate(store, run)
    how = kept_calibration(store, "r", run.detector)
    assert how is not None
    raw.rename(tmp_path / "moved.nxs")
    with pytest.raises(LinkedFileError):
        dxdask.find_spots(store, show=dxdask.quiet)
