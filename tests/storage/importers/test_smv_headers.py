"""SMV images: types and byte orders of pixels, conventions of detectors, d*TREK."""

import numpy as np
import pytest
from support.image_examples import PIXELS, write_any_smv

from dxdask.errors import FormatError
from dxdask.storage.importers import ImportParameters, read_runs

GIVEN = {
    "beam": {"wavelength": 0.9},
    "detector": {
        "distance": 100.0, "fast_slow_beam_centre": (15.0, 10.0),
        "panel": [{"pixel_size": (0.1, 0.1)}],
    },
}  # fmt: skip


def one(path, **parameters):
    [run] = read_runs([path], ImportParameters.model_validate(parameters))
    return run


@pytest.mark.parametrize(
    ("name", "stored", "low"),
    [
        ("unsigned_short", "<u2", -1.0), ("unsigned short int", "<u2", -1.0),
        ("uint16", "<u2", -1.0),
        ("mad", "<u2", -1.0), ("signed_short", "<i2", -32769.0), ("short int", "<i2", -32769.0),
        ("int16", "<i2", -32769.0), ("signed_long", "<i4", -2147483649.0),
        ("long_integer", "<i4", -2147483649.0), ("LONG INT", "<i4", -2147483649.0),
        ("int32", "<i4", -2147483649.0), ("unsigned_long", "<u4", -1.0), ("uint32", "<u4", -1.0),
        ("unsigned char", "<u1", -1.0), ("byte", "<u1", -1.0), ("signed_char", "<i1", -129.0),
        ("float", "<f4", None), ("float IEEE", "<f4", None), ("real", "<f4", None),
    ],
)  # fmt: skip
def test_types_keep_their_range(tmp_path, name, stored, low):
    dtype = np.dtype(stored)
    info = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    image = (PIXELS % 90).astype(stored)
    image[0, :2] = (info.min, info.max)
    run = one(write_any_smv(tmp_path / "a_1.img", image, stored=stored, TYPE=name))
    read = run.read(0, 1)[0]
    assert (read.dtype, run.dtype) == (dtype, dtype)
    np.testing.assert_array_equal(read, image)
    trusted = run.experiment.detector[0].trusted_range
    assert trusted == (low if low is not None else -float(info.max), float(info.max))


@pytest.mark.parametrize("stored", ["u2", "i2", "i4", "u4", "f4"])
@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("little_endian", "<"), ("LITTLE_ENDIAN", "<"), ("Little-Endian", "<"),
        ("little endian", "<"),
        ("LittleEndian", "<"), ("lsb_first", "<"), (None, "<"),
        ("big_endian", ">"), ("BIG_ENDIAN", ">"), ("big", ">"), ("MSB", ">"),
    ],
)  # fmt: skip
def test_byte_orders(tmp_path, stored, name, order):
    names = {
        "u2": "unsigned_short",
        "i2": "short",
        "i4": "long",
        "u4": "unsigned_long",
        "f4": "float",
    }
    path = write_any_smv(
        tmp_path / "a_1.img", PIXELS, stored=order + stored, TYPE=names[stored], BYTE_ORDER=name
    )
    run = one(path)
    np.testing.assert_array_equal(run.read(0, 1)[0], PIXELS)
    linked = one(path, link=True)
    assert linked.manifest.stored == np.dtype(order + stored).str


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"BYTE_ORDER": "middle"}, "BYTE_ORDER=middle is not known; little_endian and big_endian"),
        ({"TYPE": "complex"}, "TYPE=complex is not known"),
        ({"TYPE": "int64"}, "TYPE=int64 is not known"),
        ({"SIZE1": None}, "has no SIZE1 in its header"),
        ({"SIZE1": 30.5}, "SIZE1=30.5 in the header is not a whole number"),
    ],
)
def test_what_cannot_be_read(tmp_path, changes, message):
    with pytest.raises(FormatError, match=message):
        one(write_any_smv(tmp_path / "a_1.img", **changes))


def test_long_headers_and_lower_case_keys(tmp_path):
    path = write_any_smv(tmp_path / "a_1.img", HEADER_BYTES=200_000, Comment="x" * 100_000)
    path.write_bytes(path.read_bytes().replace(b"WAVELENGTH=", b"Wavelength="))
    run = one(path)
    assert run.experiment.beam.wavelength == 0.9
    np.testing.assert_array_equal(run.read(0, 1)[0], PIXELS)


@pytest.mark.parametrize(
    ("key", "value", "given"),
    [
        (key, value, given)
        for key, given in (
            ("WAVELENGTH", "beam.wavelength"), ("DISTANCE", "detector.distance"),
            ("PIXEL_SIZE", "detector.panel.pixel_size"),
            ("BEAM_CENTER_X", "detector.fast_slow_beam_centre"),
        )
        for value in (None, "0.0", "unknown", "junk")
        if (key, value) != ("BEAM_CENTER_X", "0.0")
    ],
)  # fmt: skip
def test_the_advice_on_a_missing_value_works(tmp_path, key, value, given):
    path = write_any_smv(tmp_path / "a_1.img", **{key: value})
    with pytest.raises(FormatError, match=f"{key}.*give geometry.{given}"):
        one(path)
    run = one(path, geometry=GIVEN)
    panel = run.experiment.detector[0]
    np.testing.assert_allclose(panel.origin, (-1.5, 1.0, -100.0), atol=1e-12)
    assert run.experiment.beam.wavelength == 0.9


def test_pedestal_gain_and_saturation(tmp_path):
    path = write_any_smv(
        tmp_path / "a_1.img", IMAGE_PEDESTAL=40, GAIN=2.5, CCD_IMAGE_SATURATION=60000
    )
    panel = one(path).experiment.detector[0]
    assert (panel.pedestal, panel.gain, panel.trusted_range) == (40.0, 2.5, (-1.0, 60000.0))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"DETECTOR_SN": 457}, {"axis": (-1, 0, 0), "gain": 2.4}),
        ({"DETECTOR_SN": 928, "BIN": "2x2", "BIN_TYPE": "HW"}, {"axis": (-1, 0, 0), "gain": 1.8}),
        ({"DETECTOR_SN": 928, "BIN": "none", "BIN_TYPE": "HW"}, {"axis": (-1, 0, 0), "gain": 2.4}),
        ({"DETECTOR_SN": 915}, {"axis": (-1, 0, 0), "gain": 1.0}),
        ({"DETECTOR_SN": 9150}, {"axis": (1, 0, 0), "gain": 1.0}),
        ({"DETECTOR_SN": 442}, {"pedestal": 40.0, "gain": 2.4}),
        ({"DETECTOR_SN": 442, "IMAGE_PEDESTAL": 10}, {"pedestal": 10.0}),
        ({"DETECTOR_SN": 414}, {"gain": 1.25}),
        ({"DETECTOR_SN": 414, "GAIN": 3}, {"gain": 3.0}),
        ({"DETECTOR_SN": 445, "DENZO_XBEAM": 0.5, "DENZO_YBEAM": 0.25}, {"origin": (-0.25, 0.5)}),
        (
            {"DETECTOR_SN": 905, "DENZO_BEAM_CENTER_X": 0.5, "DENZO_BEAM_CENTER_Y": 0.25},
            {"origin": (-0.25, 0.5)},
        ),
        (
            {"DETECTOR_SN": 442, "DATE": "Mon Jan  2 00:00:00 2006", "DENZO_X_BEAM": 0.5,
             "DENZO_Y_BEAM": 0.25},
            {"origin": (-0.25, 0.5)},
        ),
        (
            {"DETECTOR_SN": 442, "DATE": "Fri Jan  2 00:00:00 2009", "DENZO_X_BEAM": 0.5,
             "DENZO_Y_BEAM": 0.25},
            {"origin": (-1.5, 1.0)},
        ),
        ({"DETECTOR_SN": 914, "CCD_SPATIAL_BEAM_POSITION": "5 10"}, {"origin": (-1.0, 1.5)}),
        ({"BEAMLINE": "fake"}, {"origin": (-1.1, 0.6), "pedestal": 1.0}),
        ({"DETECTOR_NAME": "Hamamatsu C10158DK"}, {"axis": (-1, 0, 0)}),
    ],
)  # fmt: skip
def test_conventions_of_detectors(tmp_path, changes, expected):
    experiment = one(write_any_smv(tmp_path / "a_1.img", **changes)).experiment
    panel = experiment.detector[0]
    found = {
        "axis": experiment.goniometer.axes[0], "gain": panel.gain, "pedestal": panel.pedestal,
        "origin": panel.origin[:2],
    }  # fmt: skip
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("name", ["TimePix_SU", "TIMEPIX_SU", "timepix", "Timepix-SU"])
def test_timepix_in_all_spellings(tmp_path, name):
    keys = {"BEAMLINE": name, "BEAM_CENTER_X": 15.0, "BEAM_CENTER_Y": 10.0, "DETECTOR_SN": 901}
    experiment = one(write_any_smv(tmp_path / "a_1.img", WAVELENGTH=0.0251, **keys)).experiment
    panel = experiment.detector[0]
    np.testing.assert_allclose(panel.origin, (-1.5, 1.0, -100.0), atol=1e-9)
    assert (panel.type, panel.material, panel.thickness, panel.gain) == ("SENSOR_PAD", "Si", 0.3, 1)
    assert (experiment.beam.probe, experiment.beam.polarization_fraction) == ("electron", 0.5)
    np.testing.assert_allclose(experiment.goniometer.axes[0], (0.78256, -0.62257, 0), atol=1e-4)


def test_timepix_of_wide_pixels_is_four_chips(tmp_path):
    image = np.ones((512, 512), np.uint16)
    keys = {"BEAMLINE": "TimePix_SU", "BEAM_CENTER_X": 256.0, "BEAM_CENTER_Y": 100.0}
    run = one(write_any_smv(tmp_path / "a_1.img", image, PIXEL_SIZE=0.055, **keys))
    detector = run.experiment.detector
    assert [p.offset for p in detector.panels] == [(1, 1), (257, 1), (1, 257), (257, 257)]
    # the beam passes between the chips along fast, three wide pixels from the first one's corner
    np.testing.assert_allclose(detector[1].origin[0], 3 * 0.055, atol=1e-12)
    np.testing.assert_allclose(detector[0].origin[0], -(254 + 3) * 0.055, atol=1e-12)
    assert run.mask.sum() == 4 * 254**2


def test_two_theta_turns_the_detector_upwards(tmp_path):
    run = one(write_any_smv(tmp_path / "a_1.img", TWOTHETA=30.0))
    panel = run.experiment.detector[0]
    np.testing.assert_allclose(panel.normal, (0, 0.5, -np.sqrt(0.75)), atol=1e-12)
    assert panel.distance == pytest.approx(100.0)
    assert any("TWOTHETA=30" in line for line in run.problems)


def test_the_axis_that_the_header_names(tmp_path):
    keys = {"OSC_START": None, "PHI": 5.0, "OMEGA": 7.0}
    run = one(write_any_smv(tmp_path / "a_1.img", AXIS="omega", **keys))
    assert run.experiment.scan.oscillation == (7.0, 1.0)
    run = one(write_any_smv(tmp_path / "b_1.img", AXIS="phi", **keys))
    assert run.experiment.scan.oscillation == (5.0, 1.0)
    assert run.experiment.goniometer.names == ("phi",)


DTREK = {
    "DETECTOR_NAMES": "CCD_", "CCD_DETECTOR_VECTORS": "1 0 0 0 -1 0",
    "CCD_DETECTOR_DIMENSIONS": "30 20", "CCD_SPATIAL_DISTORTION_INFO": "15 10 0.1 0.1",
    "CCD_GONIO_UNITS": "deg deg deg mm mm mm", "CCD_GONIO_VALUES": "0 30 0 0 0 -50",
    "CCD_GONIO_VECTORS": "0 0 1 1 0 0 0 1 0 1 0 0 0 1 0 0 0 1",
    "ROTATION": "10.0 10.5 0.5 20.0", "ROTATION_VECTOR": "1 0 0", "ROTATION_AXIS_NAME": "Omega",
    "CRYSTAL_GONIO_NAMES": "Omega Chi Phi", "CRYSTAL_GONIO_UNITS": "deg deg deg",
    "CRYSTAL_GONIO_VALUES": "10 45 60", "CRYSTAL_GONIO_VECTORS": "1 0 0 0 0 1 1 0 0",
    "SCAN_WAVELENGTH": 1.5418, "SOURCE_VECTORS": "0 0 1 0 1 0", "SOURCE_POLARZ": "0.5 1 0 0",
    "SATURATED_VALUE": 60000, "Data_type": "unsigned short int", "TYPE": None,
    "DISTANCE": None, "WAVELENGTH": None, "BEAM_CENTER_X": None, "BEAM_CENTER_Y": None,
}  # fmt: skip


def test_dtrek_headers(tmp_path):
    experiment = one(write_any_smv(tmp_path / "a_1.osc.img", **DTREK)).experiment
    panel, goniometer = experiment.detector[0], experiment.goniometer
    # 50 mm along the beam, then turned by 30 degrees about x
    np.testing.assert_allclose(panel.normal, (0, 0.5, -np.sqrt(0.75)), atol=1e-12)
    assert panel.distance == pytest.approx(50.0)
    foot = panel.mm_to_pixel(panel.ray_intersection(panel.normal[None]))
    np.testing.assert_allclose(foot, [(15, 10)], atol=1e-9)
    assert goniometer.names == ("Phi", "Chi", "Omega")
    np.testing.assert_allclose(goniometer.rotation_axis, (1, 0, 0), atol=1e-12)
    assert not np.allclose(goniometer.fixed_rotation, np.eye(3))
    assert experiment.scan.oscillation == (10.0, 0.5)
    assert experiment.scan.exposure_times == (20.0,)
    assert experiment.beam.wavelength == 1.5418
    assert experiment.beam.polarization_fraction == 0.5
    assert panel.trusted_range == (-1.0, 60000.0)


def test_dtrek_by_serial_number(tmp_path):
    path = write_any_smv(tmp_path / "a_1.img", **DTREK, CCD_SERIAL_NUMBER="07400090")
    panel = one(path).experiment.detector[0]
    np.testing.assert_allclose(panel.fast_axis, (0, -np.sqrt(0.75), -0.5), atol=1e-12)
    assert panel.gain == 10.0


def test_dtrek_with_too_few_numbers(tmp_path):
    keys = {**DTREK, "CCD_GONIO_VECTORS": "1 0 0"}
    with pytest.raises(
        FormatError, match="CCD_GONIO_VECTORS=1 0 0 in the header is not 18 numbers"
    ):
        one(write_any_smv(tmp_path / "a_1.img", **keys))


@pytest.mark.parametrize(
    ("changes", "slow"),
    [
        ({}, (0, 1, 0)),
        ({"NOIR1_CREATED": "03/05/12  10:11:12"}, (0, -1, 0)),
        ({"CCD_DETECTOR_DESCRIPTION": "CMOS-1"}, (0, -1, 0)),
    ],
)
def test_distortion_vectors_of_detectors_that_have_none(tmp_path, changes, slow):
    """NOIR-1 and CMOS-1 as in dxtbx's FormatSMVNOIR and FormatSMVCMOS1."""
    keys = {
        **DTREK,
        "CCD_SPATIAL_DISTORTION_VECTORS": "1 0 0 -1",
        "CCD_GONIO_VALUES": "0 0 0 0 0 -50",
    }
    panel = one(write_any_smv(tmp_path / "a_1.img", **{**keys, **changes})).experiment.detector[0]
    np.testing.assert_allclose(panel.slow_axis, slow, atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "centre", "n_problems"),
    [({}, (15, 10), 1), ({"NOIR1_CREATED": "03/05/12  10:11:12"}, (12, 9), 0)],
)
def test_two_beam_centres_of_dtrek(tmp_path, changes, centre, n_problems):
    keys = {**DTREK, "CCD_SPATIAL_BEAM_POSITION": "12 9", "CCD_GONIO_VALUES": "0 0 0 0 0 -50"}
    run = one(write_any_smv(tmp_path / "a_1.img", **{**keys, **changes}))
    panel = run.experiment.detector[0]
    np.testing.assert_allclose(panel.mm_to_pixel(panel.ray_intersection(np.array([[0, 0, -1.0]]))),
                               [centre], atol=1e-9)  # fmt: skip
    assert len(run.problems) == n_problems


@pytest.mark.parametrize(
    "changes", [{"DETECTOR_TYPE": "Pilatus 200K"}, {"CCD_DETECTOR_DESCRIPTION": "EIGER 1M"}]
)
def test_pixels_below_zero_of_counting_detectors_are_no_data(tmp_path, changes):
    keys = {**DTREK, "Data_type": "long int", **changes}
    run = one(write_any_smv(tmp_path / "a_1.img", stored="<i4", **keys))
    assert run.experiment.detector[0].trusted_range == (-1.0, 60000.0)
