"""Images joined to scans: rounded, read-back, falling and wrapped angles, inner axes."""

import numpy as np
import pytest
from support.image_examples import PIXELS, write_any_smv, write_mini

from dxdask.storage.importers import ImportParameters, read_runs


def minis(folder, starts, width, *, form="{:.4f}", **changes):
    for i, start in enumerate(starts):
        write_mini(
            folder / f"a_{i + 1:04d}.cbf",
            PIXELS + i,
            Start_angle=form.format(start) + " deg.",
            Angle_increment=form.format(width) + " deg.",
            **changes,
        )
    return folder


def runs_in(folder, **parameters):
    return read_runs([folder], ImportParameters.model_validate(parameters))


@pytest.mark.parametrize(
    ("width", "form", "n_images"),
    [(0.12, "{:.2f}", 30), (0.125, "{:.2f}", 40), (0.025, "{:.2f}", 20), (0.1, "{:.1f}", 30),
     (0.0333, "{:.3f}", 50), (1 / 3, "{:.4f}", 30)],
)  # fmt: skip
def test_rounded_angles_do_not_split_a_sweep(tmp_path, width, form, n_images):
    starts = 10.0 + width * np.arange(n_images)
    [run] = runs_in(minis(tmp_path, starts, width, form=form))
    assert run.shape[0] == n_images
    # the end of the scan is where it was, to a tenth of an image and the last digit of the angles
    start, found = run.experiment.scan.oscillation
    digit = 10.0 ** -int(form[3])
    assert abs(start + found * n_images - (10.0 + width * n_images)) < 0.1 * width + 1.1 * digit


def test_angles_read_back_keep_the_width_of_the_header(tmp_path):
    rng = np.random.default_rng(0)
    starts = 0.8 * np.arange(30) + rng.uniform(-0.05, 0.05, 30)
    [run] = runs_in(minis(tmp_path, starts, 0.8))
    assert run.experiment.scan.oscillation[1] == 0.8
    np.testing.assert_allclose(run.columns["angle"], np.round(starts, 4), atol=1e-9)
    assert not run.problems or "off even steps" in run.problems[0]


def test_large_jitter_is_a_problem(tmp_path):
    starts = 0.8 * np.arange(10)
    starts[4] += 0.2
    [run] = runs_in(minis(tmp_path, starts, 0.8))
    assert any("up to 0.2 degrees off even steps of 0.8" in line for line in run.problems)


def test_falling_angles_are_a_forward_scan_about_the_opposite_axis(tmp_path):
    starts = 1.0 - 0.5 * np.arange(6)
    [run] = runs_in(minis(tmp_path, starts, -0.5))
    experiment = run.experiment
    assert experiment.scan.oscillation == (-1.0, 0.5)
    assert experiment.goniometer.axes == ((-1.0, 0.0, 0.0),)
    assert experiment.goniometer.angles == (-1.0,)
    np.testing.assert_allclose(run.columns["angle"], -starts)
    np.testing.assert_array_equal(run.read(2, 3)[0], PIXELS + 2)


def test_falling_angles_of_smv_and_past_0(tmp_path):
    for i in range(6):
        start = (1.0 - 0.5 * i) % 360.0
        write_any_smv(tmp_path / f"a_{i + 1}.img", OSC_START=f"{start:.3f}", OSC_RANGE="-0.500")
    [run] = runs_in(tmp_path)
    assert run.experiment.scan.oscillation == (-1.0, 0.5)
    assert run.experiment.goniometer.axes == ((-1.0, 0.0, 0.0),)
    np.testing.assert_allclose(run.columns["angle"], -1.0 + 0.5 * np.arange(6), atol=1e-9)


def test_values_read_back_for_each_image_do_not_split(tmp_path):
    for i in range(4):
        write_mini(
            tmp_path / f"a_{i + 1}.cbf", Start_angle=f"{0.5 * i:.4f} deg.",
            Wavelength=f"{1.0 + 1e-5 * (i % 2)} A",
            Detector_distance=f"{0.2 + 1e-5 * (i % 2):.5f} m",
            Beam_xy=f"({15.0 + 0.01 * i}, 10.0) pixels", Flux=str(1e9 * (i + 1)),
        )  # fmt: skip
    [run] = runs_in(tmp_path)
    assert run.shape[0] == 4
    assert run.experiment.beam.wavelength == 1.0
    np.testing.assert_allclose(run.columns["wavelength"], 1.0 + 1e-5 * (np.arange(4) % 2))


@pytest.mark.parametrize(
    "changes",
    [
        {"Wavelength": "1.001 A"},
        {"Detector_distance": "0.25 m"},
        {"Beam_xy": "(25.0, 10.0) pixels"},
    ],
)
def test_another_setting_is_another_run(tmp_path, changes):
    write_mini(tmp_path / "a_1.cbf", Start_angle="0.0 deg.")
    write_mini(tmp_path / "a_2.cbf", Start_angle="0.5 deg.", **changes)
    assert len(runs_in(tmp_path)) == 2


@pytest.mark.parametrize("how", ["template", "oscillation"])
def test_a_template_and_an_oscillation_always_join(tmp_path, how):
    minis(tmp_path, [0.0, 0.0, 50.0, 7.0], 0.5)
    assert len(runs_in(tmp_path)) > 1
    if how == "template":
        parameters = ImportParameters(template=str(tmp_path / "a_####.cbf"))
        [run] = read_runs([], parameters)
    else:
        [run] = runs_in(tmp_path, geometry={"scan": {"oscillation": (0.0, 0.5)}})
    assert run.experiment.scan.oscillation == (0.0, 0.5)
    np.testing.assert_allclose(run.columns["angle"], 0.5 * np.arange(4))


def test_images_without_a_rotation_join_by_an_oscillation(tmp_path):
    minis(tmp_path, [0.0] * 4, 0.0)
    [run] = runs_in(tmp_path, geometry={"scan": {"oscillation": (5.0, 0.25)}})
    assert run.experiment.scan.oscillation == (5.0, 0.25)
    assert run.experiment.scan.n_images == 4


@pytest.mark.parametrize(("turning", "still"), [("Phi", "Omega"), ("Omega", "Phi")])
@pytest.mark.parametrize("width", [0.5, -0.5])
def test_the_axis_that_turns_is_the_one_whose_angles_change(tmp_path, turning, still, width):
    for i in range(4):
        angles = {turning: f"{width * i:.4f} deg.", still: "30.0 deg.", "Kappa": "0.0 deg."}
        write_mini(
            tmp_path / f"a_{i + 1}.cbf",
            Start_angle=None,
            Angle_increment=f"{width} deg.",
            **angles,
        )
        keys = {k.upper(): v.split()[0] for k, v in angles.items()}
        write_any_smv(tmp_path / f"b_{i + 1}.img", OSC_START=None, OSC_RANGE=width, **keys)
    [mini], [smv] = read_runs(tmp_path.glob("*.cbf")), read_runs(tmp_path.glob("*.img"))
    for run in (mini, smv):
        assert run.shape[0] == 4
        np.testing.assert_allclose(run.columns["angle"], 0.5 * np.arange(4))
