"""NXmx files hold what was simulated."""

from __future__ import annotations

import csv
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
from support.tiny import tiny

from dxdask.errors import InputError
from dxdask.models import Goniometer
from dxdask.simulation import Simulation, simulate
from dxdask.storage.exporters.nxmx import write_nxmx
from dxdask.storage.exporters.simulated import write_simulation
from dxdask.storage.importers import read_runs
from dxdask.storage.importers.parameters import ImportParameters

DIALS_PYTHON = Path("/usr/bin/python3")
DIALS_ENVIRONMENT = {
    "HDF5_PLUGIN_PATH": str(Path(hdf5plugin.__file__).parent / "plugins"),
    "PATH": "/usr/bin:/bin",
}


@pytest.fixture(scope="module")
def ensemble() -> Simulation:
    return simulate(tiny())


@pytest.fixture(scope="module")
def folder(ensemble: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nxmx")
    write_simulation(path, ensemble)
    return path


def test_files_hold_the_frames_and_the_truth(ensemble: Simulation, folder: Path) -> None:
    truth = json.loads((folder / "truth.json").read_text())
    assert truth["files"] == ["run1_0.250/tiny_1.nxs", "run2_1.000/tiny_2.nxs"]
    assert truth["U"] == ensemble.true_experiments.crystals[0].u.tolist()
    for run, name in enumerate(truth["files"]):
        with h5py.File(folder / name) as file:
            data = file["entry/data/data"]
            assert data.chunks == (1, 200, 192)
            assert str(hdf5plugin.Bitshuffle.filter_id) in data._filters
            np.testing.assert_array_equal(data[()], ensemble.frames(run, 0, 10))
            np.testing.assert_array_equal(
                file["entry/instrument/detector/pixel_mask"][()], ensemble.pixel_mask
            )
            transmission = file["entry/instrument/attenuator/attenuator_transmission"][()]
            assert transmission == ensemble.parameters.transmissions[run]
    with (folder / "truth_intensities.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["h", "k", "l", "d_A", "I_true", "centric", "epsilon"]
    np.testing.assert_allclose(
        [float(r["I_true"]) for r in rows], ensemble.intensities.intensity, rtol=1e-6
    )


def test_progress_is_told(ensemble: Simulation, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    write_simulation(tmp_path, ensemble, progress=lambda *event: seen.append(event))
    assert seen[0] == ("tiny_1", 1, 10)
    assert seen[-1] == ("tiny_2", 10, 10)
    assert len(seen) == 20


def test_wrong_images_are_refused(ensemble: Simulation, tmp_path: Path) -> None:
    experiment = ensemble.experiments[0]
    options = {"shape": (2, 200, 192), "dtype": np.uint16, "pixel_mask": ensemble.pixel_mask}
    good, bad = np.zeros((200, 192), np.uint16), np.zeros((3, 3), np.uint16)
    for images in ([good], [good] * 3, [good, bad]):
        with pytest.raises(InputError, match="required"):
            write_nxmx(tmp_path / "x.nxs", experiment, images, **options)


def test_a_goniometer_that_nxmx_cannot_hold_is_refused(
    ensemble: Simulation, tmp_path: Path
) -> None:
    turned = Goniometer(setting=((0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)))
    experiment = replace(ensemble.experiments[0], goniometer=turned)
    with pytest.raises(InputError, match="goniometer"):
        write_nxmx(
            tmp_path / "x.nxs", experiment, [], shape=(0, 200, 192), dtype=np.uint16,
            pixel_mask=ensemble.pixel_mask,
        )  # fmt: skip


def test_the_importer_reads_what_was_written(ensemble: Simulation, folder: Path) -> None:
    files = sorted(str(f) for f in folder.rglob("*.nxs"))
    sources = read_runs(files, ImportParameters())
    for run, (source, experiment) in enumerate(zip(sources, ensemble.experiments, strict=True)):
        read = source.experiment
        assert (source.name, read.beam, read.goniometer) == (
            experiment.run,
            experiment.beam,
            experiment.goniometer,
        )
        assert read.scan is not None
        assert experiment.scan is not None
        np.testing.assert_allclose(read.scan.oscillation, experiment.scan.oscillation)
        for panel, expected in zip(read.detector.panels, experiment.detector.panels, strict=True):
            assert replace(panel, name=expected.name) == expected
        np.testing.assert_array_equal(source.mask, ensemble.mask)
        np.testing.assert_array_equal(source.read(2, 4), ensemble.frames(run, 2, 4))


PRINT_GEOMETRY = """
import json, sys
from dxtbx.model.experiment_list import ExperimentListFactory
e = ExperimentListFactory.from_filenames(sys.argv[1:])[0]
print(json.dumps({
    "panels": [[p.get_origin(), p.get_fast_axis(), p.get_slow_axis(), p.get_pixel_size(),
                p.get_image_size(), p.get_trusted_range(), p.get_mu(), p.get_thickness()]
               for p in e.detector],
    "s0": e.beam.get_s0(), "fraction": e.beam.get_polarization_fraction(),
    "normal": e.beam.get_polarization_normal(),
    "axis": e.goniometer and e.goniometer.get_rotation_axis(),
    "oscillation": e.scan and e.scan.get_oscillation(),
    "image_range": e.scan and e.scan.get_image_range(),
    "sum": sum(int(x.as_numpy_array().astype("int64").sum()) for x in
               e.imageset.get_raw_data(3)),
}))
"""


@pytest.mark.dials
def test_dxtbx_reads_the_geometry(ensemble: Simulation, folder: Path) -> None:
    if subprocess.run([DIALS_PYTHON, "-c", "import dxtbx"], capture_output=True).returncode:
        pytest.skip("no dxtbx for /usr/bin/python3")
    done = subprocess.run(
        [DIALS_PYTHON, "-c", PRINT_GEOMETRY, folder / "run2_1.000/tiny_2.nxs"],
        env=DIALS_ENVIRONMENT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    read = json.loads(done.stdout.splitlines()[-1])
    experiment = ensemble.experiments[1]
    assert len(read["panels"]) == 2
    for panel, values in zip(experiment.detector.panels, read["panels"], strict=True):
        ours = (
            panel.origin, panel.fast_axis, panel.slow_axis, panel.pixel_size, panel.image_size,
            panel.trusted_range, panel.mu, panel.thickness,
        )  # fmt: skip
        for own, theirs in zip(ours, values, strict=True):
            np.testing.assert_allclose(own, theirs, atol=1e-9)
    np.testing.assert_allclose(read["s0"], experiment.beam.s0, atol=1e-12)
    np.testing.assert_allclose(read["fraction"], experiment.beam.polarization_fraction)
    np.testing.assert_allclose(read["normal"], experiment.beam.polarization_normal, atol=1e-12)
    np.testing.assert_allclose(read["axis"], (1, 0, 0), atol=1e-12)
    np.testing.assert_allclose(read["oscillation"], (0.0, 0.8), atol=1e-12)
    assert read["image_range"] == [1, 10]
    frame = ensemble.frames(1, 3, 4)[0].astype(np.int64)
    assert read["sum"] == frame[frame < 65535].sum()


@pytest.mark.parametrize("start_time", ["2026-11-21T19:00:00Z", None])
def test_a_time_that_is_not_known_is_left_out(
    ensemble: Simulation, tmp_path: Path, start_time: str | None
) -> None:
    shape = ensemble.shape
    write_nxmx(
        tmp_path / "a.nxs", ensemble.experiments[1], np.zeros(shape, np.uint16), shape=shape,
        dtype=np.uint16, pixel_mask=ensemble.pixel_mask, start_time=start_time,
    )  # fmt: skip
    [run] = read_runs([tmp_path / "a.nxs"])
    assert ("timestamp" in run.columns) == (start_time is not None)


PRINT_PIXELS = """
import sys
from dxtbx.model.experiment_list import ExperimentListFactory
imageset = ExperimentListFactory.from_filenames(sys.argv[1:])[0].imageset
print(*(imageset.get_raw_data(0)[0][0, i] for i in range(4)))
"""


@pytest.mark.dials
@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.float32])
def test_dxtbx_takes_no_count_for_masked(ensemble: Simulation, tmp_path: Path, dtype: type) -> None:
    if subprocess.run([DIALS_PYTHON, "-c", "import dxtbx"], capture_output=True).returncode:
        pytest.skip("no dxtbx for /usr/bin/python3")
    frame = np.zeros(ensemble.shape[1:], dtype)
    frame[0, :4] = 65533, 65534, 65535, 65536
    write_nxmx(
        tmp_path / "a.nxs", ensemble.experiments[1], [frame] * 10, shape=(10, *frame.shape),
        dtype=dtype, pixel_mask=ensemble.pixel_mask,
    )  # fmt: skip
    done = subprocess.run(
        [DIALS_PYTHON, "-c", PRINT_PIXELS, tmp_path / "a.nxs"],
        env=DIALS_ENVIRONMENT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert [float(v) for v in done.stdout.split()] == [65533, 65534, 65535, 65536]
