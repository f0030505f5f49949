"""Conventions of detectors and beamlines: the built-in table, and entries of a beamline."""

import numpy as np
import pytest
from support.image_examples import write_any_smv, write_mini

from dxdask.errors import ParameterError
from dxdask.models.vectors import rotation_matrix
from dxdask.storage.importers import ImportParameters, conventions, read_runs

BARREL = {
    "Detector": "PILATUS 12M, S/N 120-0100, I23 Diamond", "Beam_xy": "(1075.0, 2594.0) pixels",
    "Detector_distance": "0.0 m",
}  # fmt: skip


def one(path, **parameters):
    [run] = read_runs([path], ImportParameters.model_validate(parameters))
    return run.experiment


@pytest.mark.parametrize(
    ("detector", "date", "axis"),
    [
        ("PILATUS3 6M, S/N 60-0132, APS", "2020-01-01", (-1, 0, 0)),
        ("PILATUS 6M, S/N 60-0127", "2020-01-01", (-1, 0, 0)),
        ("PILATUS3 6M, S/N 60-0125", "2020-01-01", (-1, 0, 0)),
        ("PILATUS3 6M, S/N 60-0123", "2020-01-01", (-1, 0, 0)),
        ("Dectris EIGER2 Si 16M, S/N E-32-0123", "2020-01-01", (-1, 0, 0)),
        ("Dectris Eiger 16M, S/N E-32-0111", "2020-01-01", (-1, 0, 0)),
        ("Dectris Eiger 16M, S/N E-32-0105", "2020-01-01", (0, 1, 0)),
        ("Dectris EIGER 16M, S/N E-32-0107", "2020-01-01", (0, 1, 0)),
        ("PILATUS 6M-F, S/N 60-0115-F", "2020-01-01", (0, 1, 0)),
        ("PILATUS 6M, S/N 60-0114-F", "2018-01-01", (0, 1, 0)),
        ("PILATUS 6M, S/N 60-0114-F", "2014-01-01", (1, 0, 0)),
        ("PILATUS3 6M, S/N 60-0119", "2019-01-01", (0, 1, 0)),
        ("PILATUS3 6M, S/N 60-0001", "2019-01-01", (1, 0, 0)),
    ],
)
def test_spindles_by_serial_number(tmp_path, detector, date, axis):
    path = write_mini(tmp_path / "a_1.cbf", Detector=detector, **{f"{date}T00:00:00.000": ""})
    np.testing.assert_array_equal(one(path).goniometer.rotation_axis, axis)


def test_a_backward_turn_about_a_reversed_spindle(tmp_path):
    path = write_mini(
        tmp_path / "a_1.cbf", Detector="PILATUS3 6M, S/N 60-0132", Angle_increment="-0.5 deg."
    )
    experiment = one(path)
    np.testing.assert_array_equal(experiment.goniometer.rotation_axis, (1, 0, 0))
    assert experiment.scan.oscillation == (-10.0, 0.5)


def test_kappa_and_its_scan_about_phi(tmp_path):
    lines = {"Alpha": "50.0 deg.", "Kappa": "20.0 deg.", "Phi": "10.0 deg.", "Omega": "30.0 deg."}
    detector = "PILATUS 6M, S/N 60-0106, Soleil"
    path = write_mini(tmp_path / "a_1.cbf", Detector=detector, Oscillation_axis="PHI", **lines)
    goniometer = one(path).goniometer
    assert goniometer.names == ("PHI", "KAPPA", "OMEGA")
    assert goniometer.angles == (10.0, 20.0, 30.0)
    kappa = (np.cos(np.deg2rad(50)), 0.0, np.sin(np.deg2rad(50)))
    outside = rotation_matrix((1, 0, 0), np.deg2rad(30)) @ rotation_matrix(kappa, np.deg2rad(20))
    np.testing.assert_allclose(goniometer.rotation_axis, outside @ (1, 0, 0), atol=1e-12)


def test_a_mini_kappa_between_the_crystal_and_the_spindle(tmp_path):
    lines = {"Kappa": "20.0 deg.", "Phi": "15.0 deg.", "Omega": "10.0 deg."}
    path = write_mini(tmp_path / "a_1.cbf", Detector="PILATUS3 6M, S/N 60-0126", **lines)
    goniometer = one(path).goniometer
    np.testing.assert_allclose(goniometer.rotation_axis, (1, 0, 0), atol=1e-12)
    fixed = rotation_matrix((0.914, 0.279, -0.297), np.deg2rad(20))
    fixed = fixed @ rotation_matrix((1, 0, 0), np.deg2rad(15))
    np.testing.assert_allclose(goniometer.fixed_rotation, fixed, atol=1e-12)


def test_the_barrel_of_i23(tmp_path):
    image = np.zeros((24 * 212 - 17, 2463), np.int32)
    path = write_mini(tmp_path / "a_1.cbf", image, **BARREL, **{"2020-03-01T00:00:00.000": ""})
    [run] = read_runs([path])
    detector = run.experiment.detector
    assert len(detector) == 24
    # with the beam at its usual place, the spindle is the axis of the cylinder
    for panel in detector.panels:
        assert panel.distance == pytest.approx(250.0, abs=1e-9)
    normals = np.array([p.normal for p in detector.panels])
    np.testing.assert_allclose(normals[:, 0], 0.0, atol=1e-12)
    steps = np.rad2deg(np.arccos(np.clip(np.sum(normals[1:] * normals[:-1], axis=1), -1, 1)))
    np.testing.assert_allclose(steps, 8.344, atol=1e-6)
    assert not run.mask[17 * 212 + 5, 5]
    assert run.mask[16 * 212 + 5, 5]
    assert run.experiment.goniometer.names == ("PHI", "KAPPA", "OMEGA")


def test_an_image_of_another_size_than_the_barrel_s(tmp_path):
    path = write_mini(tmp_path / "a_1.cbf", **BARREL)
    with pytest.raises(Exception, match=r"are those of its detector; give its geometry"):
        one(path)


MINE = """
[[convention]]
name = "my beamline"
match = { Detector = 'S/N 00-0000' }
axis = [0, -2, 0]
two_theta_axis = [0, 1, 0]
gain = 1.5
"""


def test_entries_of_a_beamline_come_first(tmp_path):
    (tmp_path / "mine.toml").write_text(MINE.replace("00-0000", "60-0132"))
    path = write_mini(
        tmp_path / "a_1.cbf", Detector="PILATUS3 6M, S/N 60-0132", Detector_2theta="90 deg."
    )
    experiment = one(path, input={"conventions": tmp_path / "mine.toml"})
    np.testing.assert_array_equal(experiment.goniometer.rotation_axis, (0, -1, 0))
    np.testing.assert_allclose(experiment.detector[0].normal, (-1, 0, 0), atol=1e-12)
    assert experiment.detector[0].gain == 1.5


def test_a_file_of_conventions_is_read_again_when_it_changes(tmp_path):
    import os

    mine, path = tmp_path / "mine.toml", write_mini(tmp_path / "a_1.cbf")
    mine.write_text(MINE)
    assert one(path, input={"conventions": mine}).detector[0].gain == 1.5
    mine.write_text(MINE.replace("gain = 1.5", "gain = 2.5"))
    os.utime(mine, ns=(1, 1))
    assert one(path, input={"conventions": mine}).detector[0].gain == 2.5


def test_an_installed_package_adds_entries(tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text(MINE)

    class Point:
        name, value = "mine", "my_package:CONVENTIONS"

        def load(self):
            return tmp_path / "mine.toml"

    monkeypatch.setattr(conventions.metadata, "entry_points", lambda group: [Point()])
    conventions._installed.cache_clear()
    try:
        assert one(write_mini(tmp_path / "a_1.cbf")).detector[0].gain == 1.5
    finally:
        conventions._installed.cache_clear()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read: .*No such file"),
        ("[[convention", "cannot be read"),
        ("x = 1", r"has no entries: begin each \[\[convention\]\]"),
        ("[[convention]]\nname='a'\nspindle=[1,0,0]", r"entry 1 \(a\), spindle: Extra inputs"),
        ("[[convention]]\nname='a'\naxis=[0,0,0]", r"entry 1 \(a\), axis: .*has no direction"),
        ("[[convention]]\nmatch={A='('}", r"entry 1 .*match: .*no regular expression"),
        ("[[convention]]\ngain=0", "gain: .*greater than 0"),
    ],
)
def test_conventions_that_cannot_be_read(tmp_path, text, message):
    mine = tmp_path / "mine.toml"
    if text is not None:
        mine.write_text(text)
    path = write_any_smv(tmp_path / "a_1.img")
    with pytest.raises(ParameterError, match=message):
        one(path, input={"conventions": mine})


def test_every_built_in_entry_has_a_source():
    entries = conventions._read(conventions._BUILT_IN, 0)
    assert len(entries) > 30
    assert all(e.name and e.source and e.match for e in entries)
