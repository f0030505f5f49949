"""NXmx: axes, modules, masks and faults of files."""

import h5py
import numpy as np
import pytest
from support.raw_examples import axis, group, write_nxmx

from dxdask.errors import FormatError
from dxdask.models.vectors import rotation_matrix
from dxdask.storage.importers import read_runs

FRAMES = np.arange(4 * 6 * 8, dtype=np.uint16).reshape(4, 6, 8)
DETECTOR = "entry__instrument__detector__"


def read(path):
    (run,) = read_runs([path])
    return run


def test_a_plain_file(tmp_path):
    run = read(write_nxmx(tmp_path / "a.nxs", FRAMES))
    panel = run.experiment.detector[0]
    np.testing.assert_allclose(panel.origin, (-10.0, 20.0, -100.0), atol=1e-12)
    assert panel.pixel_size == (0.1, 0.1)
    assert panel.trusted_range == (-1.0, 1000.0)
    assert panel.use_parallax
    assert run.experiment.goniometer.axes == ((1.0, 0.0, 0.0),)
    assert run.experiment.scan.oscillation == (0.0, 0.5)
    np.testing.assert_array_equal(run.read(1, 3), FRAMES[1:3])
    np.testing.assert_allclose(run.columns["exposure"], 0.1)


@pytest.mark.parametrize(
    ("dtype", "low"),
    [("u2", -1.0), ("u4", -1.0), ("i2", -(2.0**15)), ("i4", -(2.0**31)), ("f4", -1e38)],
)
def test_counts_below_zero_are_data(tmp_path, dtype, low):
    """Without an underload value signed integers and real numbers have no lower limit."""
    run = read(write_nxmx(tmp_path / "a.nxs", FRAMES.astype(dtype)))
    assert run.experiment.detector[0].trusted_range == (low, 1000.0)
    given = {f"{DETECTOR}underload_value": -5}
    run = read(write_nxmx(tmp_path / "b.nxs", FRAMES.astype(dtype), **given))
    assert run.experiment.detector[0].trusted_range == (-6.0, 1000.0)


def test_a_turned_detector_arm(tmp_path):
    """Two theta about x outside the distance rotates the whole detector."""
    path = write_nxmx(tmp_path / "a.nxs", FRAMES)
    with h5py.File(path, "a") as file:
        moves = file["entry/instrument/detector/transformations"]
        axis(moves, "two_theta", np.deg2rad(30.0), (-1, 0, 0), "rotation", "rad", ".")
        moves["det_z"].attrs["depends_on"] = "two_theta"
    panel = read(path).experiment.detector[0]
    turn = rotation_matrix((1, 0, 0), np.deg2rad(30.0))
    np.testing.assert_allclose(panel.origin, turn @ (-10.0, 20.0, -100.0), atol=1e-12)
    np.testing.assert_allclose(panel.slow_axis, turn @ (0, -1, 0), atol=1e-12)


def test_modules_are_panels_and_the_gap_is_masked(tmp_path):
    path = write_nxmx(tmp_path / "a.nxs", FRAMES)
    with h5py.File(path, "a") as file:
        detector = file["entry/instrument/detector"]
        moves = detector["transformations"]
        moves["det_z"].attrs["depends_on"] = "."
        del detector["module/data_size"]
        detector["module/data_size"] = [2, 8]
        axis(moves, "tilt", 5.0, (0, 0, 1), "rotation", "deg", "det_z")
        second = group(detector, "module_2", "NXdetector_module")
        second["data_origin"], second["data_size"] = [4, 0], [2, 8]
        for name, vector in (("fast", (-1, 0, 0)), ("slow", (0, -1, 0))):
            axis(
                second, f"{name}_pixel_direction", 0.1, vector, "translation", "mm",
                "/entry/instrument/detector/transformations/tilt", offset=[1.0, 2.0, 0.0],
            )  # fmt: skip
    run = read(path)
    detector = run.experiment.detector
    assert [p.offset for p in detector.panels] == [(0, 0), (0, 4)]
    turn = rotation_matrix((0, 0, -1), np.deg2rad(5.0))
    np.testing.assert_allclose(detector[1].fast_axis, turn @ (1, 0, 0), atol=1e-12)
    np.testing.assert_allclose(
        detector[1].origin, turn @ (-1.0, 2.0, 0.0) + (0, 0, -100.0), atol=1e-12
    )
    assert run.mask.sum(axis=1).tolist() == [8, 8, 0, 0, 8, 8]
    (carrier,) = detector.root.groups
    assert carrier.panels == (0,)
    assert carrier.groups[0].panels == (1,)


def test_frames_with_a_module_axis_lie_below_one_another(tmp_path):
    path = write_nxmx(tmp_path / "a.nxs", FRAMES, entry__data__data=FRAMES.reshape(4, 2, 3, 8))
    with h5py.File(path, "a") as file:
        module = file["entry/instrument/detector/module"]
        for name, value in (("data_origin", [1, 0, 0]), ("data_size", [1, 3, 8])):
            del module[name]
            module[name] = value
    run = read(path)
    np.testing.assert_array_equal(run.read(0, 4), FRAMES)
    assert run.experiment.detector[0].offset == (0, 3)


def test_a_kappa_goniometer(tmp_path):
    path = write_nxmx(tmp_path / "a.nxs", FRAMES)
    with h5py.File(path, "a") as file:
        rotations = file["entry/sample/transformations"]
        axis(rotations, "kappa", 20.0, (-0.6428, 0, 0.766), "rotation", "deg", "omega")
        axis(rotations, "phi", 10.0, (-1, 0, 0), "rotation", "deg", "kappa")
        axis(rotations, "x", 3.0, (1, 0, 0), "translation", "mm", "phi")
        del file["entry/sample/depends_on"]
        file["entry/sample/depends_on"] = "/entry/sample/transformations/x"
    goniometer = read(path).experiment.goniometer
    assert goniometer.names == ("phi", "kappa", "omega")
    assert goniometer.angles == (10.0, 20.0, 0.0)
    assert goniometer.scan_axis == 2


def test_stills_have_their_wavelengths(tmp_path):
    path = write_nxmx(
        tmp_path / "a.nxs",
        FRAMES,
        entry__sample__depends_on=".",
        entry__instrument__beam__incident_wavelength=np.array([1.0, 1.1, 1.2, 1.3]),
    )
    run = read(path)
    assert run.experiment.goniometer is None
    assert run.experiment.beam.wavelengths == (1.0, 1.1, 1.2, 1.3)
    assert run.experiment.beam.wavelength == pytest.approx(1.15)


def test_energy_instead_of_wavelength_and_a_spectrum(tmp_path):
    changes = {
        "entry__instrument__beam__incident_wavelength": None,
        "entry__instrument__beam__incident_energy": 12398.419843320026,
    }
    beam = read(write_nxmx(tmp_path / "a.nxs", FRAMES, **changes)).experiment.beam
    assert beam.wavelength == pytest.approx(1.0, abs=1e-12)
    changes = {
        "entry__instrument__beam__incident_wavelength": np.array([1.0, 1.2]),
        "entry__instrument__beam__incident_wavelength_weights": np.array([[3.0, 1.0]] * 4),
    }
    beam = read(write_nxmx(tmp_path / "b.nxs", FRAMES, **changes)).experiment.beam
    np.testing.assert_allclose(beam.wavelengths, [1.05] * 4)


def test_a_file_without_modules_has_distance_and_beam_centre(tmp_path):
    path = write_nxmx(tmp_path / "a_master.h5", FRAMES)
    with h5py.File(path, "a") as file:
        detector = file["entry/instrument/detector"]
        del detector["module"]
        for name, value in (
            ("x_pixel_size", 7.5e-5), ("y_pixel_size", 7.5e-5), ("beam_center_x", 4.0),
            ("beam_center_y", 2.0), ("distance", 0.2),
        ):  # fmt: skip
            detector[name] = value
    run = read(path)
    assert run.name == "a"
    np.testing.assert_allclose(run.experiment.detector[0].origin, (-0.3, 0.15, -200.0))


def test_a_still_without_a_wavelength(tmp_path):
    path = write_nxmx(tmp_path / "a.nxs", FRAMES)
    with h5py.File(path, "a") as file:
        beam = file["entry/instrument/beam"]
        del beam["incident_wavelength"]
        beam["incident_wavelength"] = np.array([1.0, np.nan, 1.2, -3.0])
    with pytest.raises(FormatError, match="of a sweep"):
        read(path)
    with h5py.File(path, "a") as file:
        omega = file["entry/sample/transformations/omega"]
        omega[...] = 0.0
    beam = read(path).experiment.beam
    assert beam.wavelengths == (1.0, 0.0, 1.2, 0.0)
    assert beam.wavelength == pytest.approx(1.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entry__data__data": None}, "no frames in /entry"),
        ({"entry__data__data": np.zeros((0, 6, 8), "u2")}, "frames are numbers"),
        ({"entry__data__data": np.zeros(6, "u2")}, "frames are numbers"),
        ({"entry__data__data": np.zeros((4, 6, 8), "f2")}, "float16 .*integers, float32 or"),
        ({"entry__instrument__beam__incident_wavelength": None}, "no NXbeam with"),
        (
            {"entry__instrument__beam__incident_wavelength": -1.0},
            "no positive wavelength or energy",
        ),
        ({"entry__instrument__beam__incident_wavelength": np.ones(3)}, "3 wavelengths for 4"),
        ({DETECTOR + "pixel_mask": np.zeros((5, 8), "u4")}, r"pixel_mask is \(5, 8\)"),
        ({DETECTOR + "module__data_size": [7, 8]}, "outside the frames of"),
        ({DETECTOR + "module__data_origin": [-1, 0]}, "outside the frames of"),
        ({DETECTOR + "transformations__det_z": None}, "det_z, which is not in the file"),
        ({"entry__sample__transformations__omega": np.array([0, 1, 2.0])}, "3 angles for 4"),
        ({"entry__sample__transformations__omega": np.array([0, 9, 2, 5.0])}, "not evenly spaced"),
        ({"entry__sample__depends_on": "nowhere"}, "nowhere, which is not in the file"),
    ],
)
def test_errors_name_the_fault(tmp_path, changes, message):
    with pytest.raises(FormatError, match=message):
        read(write_nxmx(tmp_path / "a.nxs", FRAMES, **changes))


def test_an_unknown_material_is_named(tmp_path):
    path = write_nxmx(tmp_path / "a.nxs", FRAMES, **{DETECTOR + "sensor_material": "Cheese"})
    with pytest.raises(FormatError, match=r"'Cheese', a material .*give geometry.detector.panel"):
        read(path)


def test_units_and_loops_that_make_no_sense(tmp_path):
    path = write_nxmx(tmp_path / "a.nxs", FRAMES)
    with h5py.File(path, "a") as file:
        det_z = file["entry/instrument/detector/transformations/det_z"]
        det_z.attrs["depends_on"] = "det_z"
    with pytest.raises(FormatError, match="depends on itself"):
        read(path)
    with h5py.File(path, "a") as file:
        file["entry/instrument/detector/transformations/det_z"].attrs["units"] = "furlong"
    with pytest.raises(FormatError, match="'furlong', a unit that is not known"):
        read(path)


def test_truncated_and_empty_files(tmp_path):
    path = write_nxmx(tmp_path / "a.nxs", np.zeros((20, 60, 80), "u2") + 7)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(FormatError, match="is truncated or not HDF5"):
        read(path)
    path = write_nxmx(tmp_path / "b.nxs", FRAMES, entry__data__data=None)
    with h5py.File(path, "a") as file:
        file["entry/data"].create_dataset("data", shape=(10**9, 6, 8), dtype="u2", chunks=(1, 6, 8))
    with pytest.raises(FormatError, match="announces 1000000000 frames, and none was written"):
        read(path)
