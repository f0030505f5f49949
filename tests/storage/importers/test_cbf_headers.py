"""CBF headers: containers and units of miniCBF, rotations, full tables."""

import numpy as np
import pytest
from support.image_examples import (
    PIXELS,
    mini_text,
    write_full,
    write_mini,
    write_text_cbf,
)

from dxdask.errors import FormatError
from dxdask.models.attenuation import absorption
from dxdask.storage.importers import ImportParameters, read_runs

ORIGIN = (-15 * 0.172, 10 * 0.172, -200.0)


def one(*paths, **parameters):
    [run] = read_runs(paths, ImportParameters.model_validate(parameters))
    return run


@pytest.mark.parametrize(
    "container",
    [
        "_array_data.header_contents\r\n;\r\n{}\r\n;\r\n",
        "_array_data.header_content\r\n;\r\n{}\r\n;\r\n",
        "_ARRAY_DATA.HEADER_CONTENTS\r\n;{};\r\n",
        "_array_data.header_contents '''\r\n{}'''\r\n",
        "{}\r\n",
    ],
)
def test_the_header_in_any_container(tmp_path, container):
    run = one(write_text_cbf(tmp_path / "a_1.cbf", mini_text(), container=container))
    np.testing.assert_allclose(run.experiment.detector[0].origin, ORIGIN)
    assert run.experiment.scan.oscillation == (10.0, 0.5)
    np.testing.assert_array_equal(run.read(0, 1)[0], PIXELS)


def test_lines_without_a_hash_in_the_container(tmp_path):
    text = mini_text().replace("# ", "")
    run = one(write_text_cbf(tmp_path / "a_1.cbf", text))
    np.testing.assert_allclose(run.experiment.detector[0].origin, ORIGIN)


def test_a_header_of_100_kb(tmp_path):
    text = mini_text() + "".join(f"# Excluded_pixel {i} {i}\r\n" for i in range(4500))
    run = one(write_text_cbf(tmp_path / "a_1.cbf", text))
    np.testing.assert_allclose(run.experiment.detector[0].origin, ORIGIN)
    np.testing.assert_array_equal(run.read(0, 1)[0], PIXELS)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("Detector_distance", "200 mm"), ("Detector_distance", "= 20.0 cm"),
        ("Detector_distance", "0.2"), ("Pixel_size", "0.172 mm x 0.172 mm"),
        ("Pixel_size", "172 um x 172 um"), ("Pixel_size", "(172e-6, 172e-6) m"),
        ("Pixel_size", "172e-6 m"), ("Wavelength", "0.1 nm"), ("Wavelength", "12.39841984 keV"),
        ("Wavelength", "12398.41984 eV"), ("Beam_xy", "(2.58, 1.72) mm"),
        ("Beam_xy", "(15D0, 1.0d1) pixels"),
        ("Beam_xy", "15.0, 10.0"), ("Start_angle", "0.17453292519943295 rad"),
    ],
)  # fmt: skip
def test_units(tmp_path, key, text):
    experiment = one(write_mini(tmp_path / "a_1.cbf", **{key: text})).experiment
    np.testing.assert_allclose(experiment.detector[0].origin, ORIGIN, rtol=1e-9)
    assert experiment.beam.wavelength == pytest.approx(1.0, rel=1e-8)
    assert experiment.scan.oscillation == pytest.approx((10.0, 0.5))


@pytest.mark.parametrize(
    ("line", "material", "thickness"),
    [
        ("Silicon sensor, thickness 0.000450 m", "Si", 0.45),
        ("CdTe sensor, thickness 0.000750 m", "CdTe", 0.75),
        ("CdTe sensor, thickness 750 um", "CdTe", 0.75),
        ("Cadmium telluride sensor, thickness 0.75 mm", "CdTe", 0.75),
        ("GaAs sensor, thickness 0.000500 m", "GaAs", 0.5),
    ],
)
def test_sensors(tmp_path, line, material, thickness):
    text = mini_text(Silicon=None) + f"# {line}\r\n"
    panel = one(write_text_cbf(tmp_path / "a_1.cbf", text)).experiment.detector[0]
    assert (panel.material, panel.use_parallax) == (material, True)
    assert panel.thickness == pytest.approx(thickness)
    assert panel.mu == absorption(material, 1.0)


def test_a_sensor_that_is_not_known(tmp_path):
    text = mini_text(Silicon=None) + "# Selenium sensor, thickness 0.000500 m\r\n"
    path = write_text_cbf(tmp_path / "a_1.cbf", text)
    run = one(path)
    assert any("'Selenium' is not known" in line for line in run.problems)
    assert not run.experiment.detector[0].use_parallax
    panel = {"material": "CdTe", "thickness": 0.5}
    fixed = one(path, geometry={"detector": {"panel": [panel]}}).experiment.detector[0]
    assert (fixed.material, fixed.thickness, fixed.use_parallax) == ("CdTe", 0.5, True)


@pytest.mark.parametrize(
    ("changes", "given"),
    [
        ({"Wavelength": "0.0000 A"}, {"beam": {"wavelength": 1.0}}),
        ({"Wavelength": None}, {"beam": {"wavelength": 1.0}}),
        ({"Wavelength": "1.0 parsec"}, {"beam": {"wavelength": 1.0}}),
        ({"Detector_distance": "0 m"}, {"detector": {"distance": 200.0}}),
        ({"Detector_distance": "200 m"}, {"detector": {"distance": 200.0}}),
        ({"Beam_xy": "(0.00, 0.00) pixels"}, {"detector": {"fast_slow_beam_centre": (15, 10)}}),
        ({"Beam_xy": "somewhere"}, {"detector": {"slow_fast_beam_centre": (10, 15)}}),
        ({"Pixel_size": None}, {"detector": {"panel": [{"pixel_size": (0.172, 0.172)}]}}),
        (
            {"Detector_distance": None, "Beam_xy": None},
            {"detector": {"panel": [{"origin": ORIGIN}]}},
        ),
    ],
)  # fmt: skip
def test_overrides_come_before_the_error_on_a_missing_value(tmp_path, changes, given):
    path = write_mini(tmp_path / "a_1.cbf", **changes)
    ((model, values),) = given.items()
    advice = ".".join(["geometry", model, next(iter(values))]).replace(
        "slow_fast", "(fast_slow|slow_fast)"
    )
    with pytest.raises(FormatError, match=advice):
        one(path)
    if "slow_fast_beam_centre" in str(given):
        values = {"fast_slow_beam_centre": (15, 10)}
    experiment = one(path, geometry=given).experiment
    # The point of the normal's foot lies on the pixel of the header, parallax aside.
    np.testing.assert_allclose(experiment.detector[0].origin, ORIGIN, atol=0.02)
    assert experiment.beam.wavelength == 1.0


@pytest.mark.parametrize(
    ("changes", "start", "axis"),
    [
        ({"Start_angle": None, "Phi": "10.0000 deg."}, 10.0, (1, 0, 0)),
        ({"Start_angle": None, "Omega": "10.0000 deg."}, 10.0, (1, 0, 0)),
        ({"Start_angle": None, "Chi": "10.0 deg.", "Oscillation_axis": "CHI"}, 10.0, (1, 0, 0)),
        (
            {"Start_angle": None, "Angle_increment": None, "Omega": "3.0 deg.", "Phi": "10.0 deg.",
             "Phi_increment": "0.5 deg."},
            10.0, (1, 0, 0),
        ),
        ({"Start_angle": None, "Omega": "3.0", "Phi": "10.0", "Oscillation_axis": "PHI"}, 10.0,
         (1, 0, 0)),
        ({"Oscillation_axis": "X.CW"}, 10.0, (1, 0, 0)),
        ({"Oscillation_axis": "X, CW"}, 10.0, (1, 0, 0)),
        ({"Oscillation_axis": "omega, x.cw"}, 10.0, (1, 0, 0)),
        ({"Oscillation_axis": "X.CCW"}, 10.0, (-1, 0, 0)),
        ({"Oscillation_axis": "X.CW +SLOW"}, 10.0, (0, 1, 0)),
        ({"Oscillation_axis": "X.CW -slow"}, 10.0, (0, -1, 0)),
        ({"Oscillation_axis": "X.CW +FAST"}, 10.0, (-1, 0, 0)),
        ({"Oscillation_axis": "(X.CW - FAST)"}, 10.0, (1, 0, 0)),
    ],
)  # fmt: skip
def test_rotations_in_all_spellings(tmp_path, changes, start, axis):
    experiment = one(write_mini(tmp_path / "a_1.cbf", **changes)).experiment
    assert experiment.scan.oscillation == (start, 0.5)
    np.testing.assert_array_equal(experiment.goniometer.rotation_axis, axis)


def test_an_inner_axis_whose_direction_is_not_known_is_a_problem(tmp_path):
    path = write_mini(tmp_path / "a_1.cbf", Oscillation_axis="PHI", Phi="10.0", Kappa="20.0 deg.")
    assert any("geometry.goniometer.axes" in line for line in one(path).problems)


def test_two_theta(tmp_path):
    run = one(write_mini(tmp_path / "a_1.cbf", Detector_2theta="30.0 deg."))
    panel = run.experiment.detector[0]
    np.testing.assert_allclose(panel.normal, (0, 0.5, -np.sqrt(0.75)), atol=1e-12)
    assert panel.distance == pytest.approx(200.0)
    assert any("Detector_2theta=30" in line for line in run.problems)


def test_electrons_are_not_polarised(tmp_path):
    beam = one(write_mini(tmp_path / "a_1.cbf", Wavelength="0.0251 A")).experiment.beam
    assert (beam.probe, beam.polarization_fraction) == ("electron", 0.5)


# ---------------------------------------------------------------- full CBF


def test_full_sweeps_are_one_run(tmp_path):
    for i in range(4):
        write_full(tmp_path / f"f_{i + 1}.cbf", PIXELS + i, omega=0.5 * i, kappa=20.0, phi=30.0)
    run = one(tmp_path)
    assert run.shape[0] == 4
    experiment = run.experiment
    assert experiment.scan.oscillation == (0.0, 0.5)
    assert experiment.goniometer.names == ("PHI", "KAPPA", "OMEGA")
    assert experiment.goniometer.angles == (30.0, 20.0, 0.0)
    np.testing.assert_allclose(experiment.detector[0].origin, (-1.5, 1.0, -100.0))
    assert experiment.beam.polarization_fraction == pytest.approx(0.999)
    assert "timestamp" in run.columns


def test_backward_and_inner_axis_sweeps(tmp_path):
    for i in range(3):
        path = tmp_path / f"f_{i + 1}.cbf"
        write_full(path, omega=30.0, omega_width=0.0, kappa=20.0, phi=9.0 - 0.5 * i, phi_width=-0.5)
    run = one(tmp_path)
    goniometer = run.experiment.goniometer
    assert (run.shape[0], goniometer.scan_axis) == (3, 0)
    assert run.experiment.scan.oscillation == (-9.0, 0.5)
    np.testing.assert_array_equal(goniometer.axes[0], (-1, 0, 0))
    assert goniometer.angles == (-9.0, 20.0, 30.0)
    np.testing.assert_allclose(run.columns["angle"], (-9.0, -8.5, -8.0))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ADSC CCD", "SENSOR_CCD"), ("pixel array detector", "SENSOR_PAD"),
        ("image plate", "SENSOR_IMAGE_PLATE"), ("PILATUS 6M", "SENSOR_PAD"),
        ("Rayonix MX-300", "SENSOR_CCD"),
    ],
)  # fmt: skip
def test_kinds_gain_and_offset_of_full_cbf(tmp_path, text, kind):
    path = write_full(tmp_path / "a_1.cbf", detector=text, gain=2.5, linearity="offset", offset=-40)
    panel = one(path).experiment.detector[0]
    assert (panel.type, panel.gain, panel.pedestal) == (kind, 2.5, 40.0)
    assert panel.trusted_range == (-1.0, 12345.0)


def test_tables_come_before_the_lines_of_a_mini_header(tmp_path):
    lines = mini_text(Detector_distance="0.3 m")
    panel = one(write_full(tmp_path / "a_1.cbf", lines=lines)).experiment.detector[0]
    np.testing.assert_allclose(panel.origin, (-1.5, 1.0, -100.0))
    # what the tables do not have comes from the lines
    assert (panel.material, panel.thickness) == ("Si", pytest.approx(0.32))


def test_incomplete_tables_fall_back_on_the_lines(tmp_path):
    path = write_full(tmp_path / "a_1.cbf", lines=mini_text())
    path.write_bytes(path.read_bytes().replace(b"EL_X EL_X 0.05", b"EL_Q EL_X 0.05"))
    run = one(path)
    np.testing.assert_allclose(run.experiment.detector[0].origin, ORIGIN)
    assert any("the lines of its miniCBF header are used" in line for line in run.problems)


def test_a_full_cbf_without_wavelength(tmp_path):
    path = write_full(tmp_path / "a_1.cbf", wavelength=".")
    with pytest.raises(FormatError, match=r"geometry.beam.wavelength"):
        one(path)
    assert one(path, geometry={"beam": {"wavelength": 0.8}}).experiment.beam.wavelength == 0.8


@pytest.mark.parametrize(
    ("key", "text", "expected", "n_problems"),
    [
        ("Filter_transmission", "0.25", 0.25, 0), ("Filter_transmission", "25.0000 %", 0.25, 0),
        ("Filter_transmission", "25 percent", 0.25, 0), ("Transmission", "0.25", 0.25, 0),
        ("Filter_transmission", "25.0", 1.0, 1), ("Filter_transmission", "0", 1.0, 0),
    ],
)  # fmt: skip
def test_transmissions(tmp_path, key, text, expected, n_problems):
    run = one(write_mini(tmp_path / "a_1.cbf", **{key: text}))
    assert run.experiment.beam.transmission == pytest.approx(expected)
    assert len(run.problems) == n_problems
