"""Rotations in NXmx files: screening images, wedges, inner axes, early masters, noise."""

import numpy as np
import pytest
from support.mutated_nxmx import FRAMES
from support.nxmx_changes import SAMPLE, changed, deleting, imported, put, setting
from support.raw_examples import axis, group

from dxdask.errors import ParameterError
from dxdask.storage.importers import ImportParameters, read_runs


def screening(*, widths):
    def change(file):
        put(file, f"{SAMPLE}/omega", [0.0, 90.0, 45.0, 45.5])
        del file[f"{SAMPLE}/omega_end"]
        name = "omega_end" if widths == "end" else "omega_increment_set"
        values = [0.5, 90.5, 45.5, 46.0] if widths == "end" else [0.5] * 4
        put(file, f"{SAMPLE}/{name}", values, units="deg")

    return change


@pytest.mark.parametrize("widths", ["end", "set"])
def test_screening_images_and_wedges_in_one_file_are_runs(tmp_path, widths):
    path = changed(tmp_path, screening(widths=widths))
    runs = imported(path)
    assert [r.name for r in runs] == ["a_1", "a_2", "a_3"]
    assert [r.experiment.scan.image_range for r in runs] == [(1, 1), (2, 2), (3, 4)]
    starts = [(0.0, 0.5), (90.0, 0.5), (45.0, 0.5)]
    assert [r.experiment.scan.oscillation for r in runs] == starts
    np.testing.assert_array_equal(runs[2].read(0, 2), FRAMES[2:])
    assert runs[2].locate().shape == (2, 60, 80)
    some = imported(path, geometry={"scan": {"image_range": (2, 3)}})
    assert [r.experiment.scan.image_range for r in some] == [(2, 2), (3, 3)]
    with pytest.raises(ParameterError, match="no run has such images; they are 1 to 4"):
        imported(path, geometry={"scan": {"image_range": (7, 9)}})
    (whole,) = imported(path, geometry={"scan": {"oscillation": (0.0, 0.5)}})
    assert whole.shape[0] == 4


def test_an_inner_axis_that_turned_in_one_image(tmp_path):
    def change(file):
        put(file, "entry/data/data", FRAMES[:1])
        moves = file[SAMPLE]
        for name in ("omega", "omega_end"):
            del moves[name]
        axis(moves, "omega", 10.0, (-1, 0, 0), "rotation", "deg", ".")
        axis(moves, "chi", 20.0, (0, 0, 1), "rotation", "deg", "omega")
        axis(moves, "phi", 30.0, (-1, 0, 0), "rotation", "deg", "chi")
        put(moves, "phi_end", [30.25], units="deg")
        put(file, "entry/sample/depends_on", f"/{SAMPLE}/phi")

    (run,) = imported(changed(tmp_path, change))
    assert run.experiment.goniometer.names == ("phi", "chi", "omega")
    assert run.experiment.goniometer.scan_axis == 0
    assert run.experiment.scan.oscillation == (30.0, 0.25)


def old_master(name, values):
    def change(file):
        del file["entry/sample"]
        sample = group(file["entry"], "sample", "NXsample")
        angles = sample.create_group("goniometer")
        put(angles, "omega", np.zeros(4), units="degree")
        put(angles, name, values, units="degree")

    return change


@pytest.mark.parametrize("name", ["omega", "phi", "chi"])
def test_angles_of_early_masters(tmp_path, name):
    (run,) = imported(changed(tmp_path, old_master(name, 5.0 + 0.25 * np.arange(4))))
    assert run.experiment.goniometer.names == (name,)
    assert run.experiment.goniometer.axes == ((1.0, 0.0, 0.0),)
    assert run.experiment.scan.oscillation == (5.0, 0.25)
    assert any("geometry.goniometer.axes" in line for line in run.problems)


def test_a_width_that_early_masters_name_alone(tmp_path):
    (run,) = imported(changed(tmp_path, old_master("omega_range_average", 0.25)))
    # all angles are equal, so they were not recorded
    assert run.experiment.scan.oscillation == (0.0, 0.25)


def test_noise_of_an_axis_that_stands_is_no_rotation(tmp_path):
    noise = 40.0 + np.array([0.002, -0.003, 0.001, -0.002])
    path = changed(tmp_path, setting(f"{SAMPLE}/omega", noise), deleting(f"{SAMPLE}/omega_end"))
    (run,) = imported(path)
    assert run.experiment.scan.is_still
    assert run.experiment.scan.oscillation[0] == pytest.approx(40.0, abs=0.01)


def test_another_axis_that_drifts(tmp_path):
    def change(file):
        axis(file[SAMPLE], "phi", [9.99, 10.0, 10.0, 10.02], (0, 1, 0), "rotation", "deg", "omega")
        put(file, "entry/sample/depends_on", f"/{SAMPLE}/phi")

    (run,) = imported(changed(tmp_path, change))
    assert run.experiment.goniometer.angles == (10.0, 0.0)
    assert any("phi drifts by 0.03 degrees" in line for line in run.problems)


NUMBER = "entry/instrument/detector/detector_number"


def of_detector(number, change):
    def both(file):
        change(file)
        put(file, NUMBER, number)

    return both


@pytest.mark.parametrize(
    ("number", "axis_of_master"),
    [
        ("E-32-0105", (0.0, 1.0, 0.0)),
        ("E-32-0112", (-1.0, 0.0, 0.0)),
        ("E-32-0114", (-1.0, 0.0, 0.0)),
        ("E-18-0103", (-1.0, 0.0, 0.0)),
        ("E-32-0999", (1.0, 0.0, 0.0)),
    ],
)
def test_axes_of_known_detectors(tmp_path, number, axis_of_master):
    angles = 5.0 + 0.25 * np.arange(4)
    (run,) = imported(changed(tmp_path, of_detector(number, old_master("omega", angles))))
    assert run.experiment.goniometer.axes == (axis_of_master,)
    assert run.experiment.scan.oscillation == (5.0, 0.25)


@pytest.mark.parametrize(("number", "sign"), [("E-32-0114", -1.0), ("E-32-0105", 1.0)])
def test_axes_in_files_without_depends_on(tmp_path, number, sign):
    (as_it_is,) = imported(changed(tmp_path, deleting("entry/sample/depends_on")))
    change = of_detector(number, deleting("entry/sample/depends_on"))
    (run,) = imported(changed(tmp_path, change))
    np.testing.assert_array_equal(
        run.experiment.goniometer.axes, sign * np.array(as_it_is.experiment.goniometer.axes)
    )
    assert any("opposite direction" in line for line in run.problems) == (sign < 0)


def test_a_chain_of_axes_is_taken_as_it_is(tmp_path):
    (as_it_is,) = imported(changed(tmp_path, lambda file: None))
    (run,) = imported(changed(tmp_path, of_detector("E-32-0114", lambda file: None)))
    assert run.experiment.goniometer == as_it_is.experiment.goniometer


def test_a_beamline_adds_the_axis_of_its_detector(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(
        "[[convention]]\nformat = 'nxmx'\nmatch = { detector_number = 'E-99' }\naxis = [0, -1, 0]\n"
    )
    path = changed(tmp_path, of_detector("E-99-0001", old_master("omega", np.arange(4.0))))
    (run,) = read_runs([path], ImportParameters.model_validate({"input": {"conventions": own}}))
    assert run.experiment.goniometer.axes == ((0.0, -1.0, 0.0),)
