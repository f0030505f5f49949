"""NXmx as it is written: every spelling gives the geometry and the sweep of the example."""

import h5py
import numpy as np
import pytest
from support.mutated_nxmx import FRAMES, write_example
from support.raw_examples import axis, group

from dxdask.errors import FormatError
from dxdask.storage.importers import ImportParameters, read_runs
from dxdask.storage.importers.nxmx.units import unit_of

DETECTOR = "entry/instrument/detector"
MODULE = DETECTOR + "/module"
DET_Z = DETECTOR + "/transformations/det_z"
BEAM = "entry/instrument/beam"
SAMPLE = "entry/sample/transformations"
ORIGIN = (-4.0, 3.0, -100.0)


def put(file, name, value, **attributes):
    """Make or replace a dataset, whose other attributes stay."""
    kept = dict(file[name].attrs) if name in file else {}
    if name in file:
        del file[name]
    file[name] = value
    file[name].attrs.update({**kept, **attributes})


def changed(tmp_path, *changes):
    """Write the example; `changes` are functions of the file."""
    path = write_example(tmp_path / "a.nxs")
    with h5py.File(path, "r+") as file:
        for change in changes:
            change(file)
    return path


def imported(path, **parameters):
    return read_runs([path], ImportParameters.model_validate(parameters))


def setting(name, value, **attributes):
    return lambda file: put(file, name, value, **attributes)


def attribute(name, key, value):
    def change(file):
        if value is None:
            del file[name].attrs[key]
        else:
            file[name].attrs[key] = value

    return change


def deleting(name):
    def change(file):
        del file[name]

    return change


def no_depends_on(file):
    for name in ("module_offset", "fast_pixel_direction", "slow_pixel_direction"):
        del file[f"{MODULE}/{name}"].attrs["depends_on"]


def offset_of_pixels(units, scale, *, keep, which=("fast", "slow")):
    def change(file):
        file[f"{MODULE}/module_offset"].attrs["offset"] = np.zeros(3)
        for name in which:
            attrs = file[f"{MODULE}/{name}_pixel_direction"].attrs
            attrs["offset"], attrs["offset_units"] = np.array([4.0, 3.0, 0.0]) * scale, units
            if not keep:
                attrs["depends_on"] = "/" + DET_Z
        if not keep:
            del file[f"{MODULE}/module_offset"]
            for name in {"fast", "slow"} - set(which):
                file[f"{MODULE}/{name}_pixel_direction"].attrs["depends_on"] = "/" + DET_Z

    return change


def centre(file):
    file[f"{MODULE}/module_offset"].attrs["offset"] = np.zeros(3)


PLACES = {
    "offset without a unit, in that of the values": [
        attribute(f"{MODULE}/module_offset", "units", "m"),
        attribute(f"{MODULE}/module_offset", "offset", [0.004, 0.003, 0.0]),
        attribute(f"{MODULE}/module_offset", "offset_units", None),
    ],
    "offset in cm": [
        attribute(f"{MODULE}/module_offset", "offset", [0.4, 0.3, 0.0]),
        attribute(f"{MODULE}/module_offset", "offset_units", "cm"),
    ],
    "offset of det_z": [
        attribute(DET_Z, "offset", [4000.0, 3000.0, 0.0]),
        attribute(DET_Z, "offset_units", "µm"),
        centre,
    ],
    "offset of shape (1, 3)": [attribute(f"{MODULE}/module_offset", "offset", [[4.0, 3.0, 0.0]])],
    "offsets of pixels, mm, kept": [offset_of_pixels("mm", 1.0, keep=True)],
    "offsets of pixels, m": [offset_of_pixels("m", 1e-3, keep=False)],
    "offset of fast alone": [offset_of_pixels("mm", 1.0, keep=True, which=("fast",))],
    "offset of slow alone": [offset_of_pixels("mm", 1.0, keep=True, which=("slow",))],
    "offset of slow alone, without module_offset": [
        offset_of_pixels("mm", 1.0, keep=False, which=("slow",))
    ],
    "beam centre alone": [centre],
    "beam centre alone, in m": [
        centre,
        setting(f"{DETECTOR}/beam_center_x", 0.004, units="m"),
        setting(f"{DETECTOR}/beam_center_y", 0.003, units="m"),
    ],
    "before the sample": [attribute(DET_Z, "vector", [0.0, 0.0, -1.0])],
    "before the sample by its value": [setting(DET_Z, [-100.0])],
    "no depends_on": [no_depends_on],
    "no depends_on but the distance": [no_depends_on, deleting(f"{DETECTOR}/depends_on")],
    "distance null in the chain": [setting(DET_Z, h5py.Empty("f8"))],
    "neither chain nor place": [no_depends_on, deleting(f"{DETECTOR}/depends_on"), centre],
    "no modules": [deleting(MODULE)],
    "no modules, distance in Å": [
        deleting(MODULE),
        setting(f"{DETECTOR}/distance", 1e9, units="Å"),
    ],
    "sizes as (fast, slow)": [setting(f"{MODULE}/data_size", [80, 60])],
    "no data_origin and data_size": [
        deleting(f"{MODULE}/data_origin"),
        deleting(f"{MODULE}/data_size"),
    ],
    "pixel size of the detector": [setting(f"{MODULE}/fast_pixel_direction", h5py.Empty("f8"))],
    "unit of the distance in upper case": [attribute(DET_Z, "units", "MM")],
    "depends_on in the detector": [attribute(f"{MODULE}/module_offset", "depends_on", "det_z")],
    "direction that stands still without vector": [
        attribute(f"{MODULE}/module_offset", "vector", None)
    ],
}


@pytest.mark.parametrize("name", PLACES)
def test_the_place_of_the_detector(tmp_path, name):
    (run,) = imported(changed(tmp_path, *PLACES[name]))
    panel = run.experiment.detector[0]
    np.testing.assert_allclose(panel.origin, ORIGIN, atol=1e-9)
    np.testing.assert_allclose(panel.pixel_size, (0.1, 0.1), rtol=1e-12)
    assert panel.image_size == (80, 60)
    np.testing.assert_allclose((panel.fast_axis, panel.slow_axis), ((1, 0, 0), (0, -1, 0)))
    assert not any("check" in line for line in run.problems)


def data_before(name, value):
    def change(file):
        made = group(file["entry"], name, "NXdata")
        made["data"] = value
        made.attrs["signal"] = "data"

    return change


def instrument_before(file):
    made = group(group(file["entry"], "a_hutch", "NXinstrument"), "camera", "NXdetector")
    made["x_pixel_size"] = 1e-6
    made["data"] = np.zeros((4, 9, 9))


def diode(file):
    group(file["entry/instrument"], "a_diode", "NXdetector")["data"] = np.zeros(4)


def small_detector(file):
    made = group(file["entry/instrument"], "a_small", "NXdetector")
    module = group(made, "module", "NXdetector_module")
    module["data_origin"], module["data_size"] = [0, 0], [20, 20]


def other_sample(file):
    group(file["entry"], "a_sample", "NXsample")["name"] = "empty holder"


CHOICES = {
    "a line": [data_before("a_line", np.arange(5.0))],
    "thumbnails": [data_before("a_thumbnail", np.zeros((4, 16, 16), "u2"))],
    "larger pictures of a camera": [data_before("a_camera", np.zeros((4, 99, 99), "u1"))],
    "a mean image": [data_before("a_mean", np.zeros((60, 80)))],
    "a diode": [diode],
    "a smaller detector": [small_detector],
    "another instrument": [instrument_before],
    "another sample": [other_sample],
    "the same frames by another name": [
        lambda f: group(f["entry"], "again", "NXdata").__setitem__("data", f["entry/data/data"])
    ],
    "another beam without wavelength": [
        lambda f: group(f["entry/instrument"], "a_beam", "NXbeam").__setitem__("flux", 1e12)
    ],
}


@pytest.mark.parametrize("name", CHOICES)
def test_what_is_not_meant_comes_first(tmp_path, name):
    (run,) = imported(changed(tmp_path, *CHOICES[name]))
    np.testing.assert_array_equal(run.read(0, 4), FRAMES)
    np.testing.assert_allclose(run.experiment.detector[0].origin, ORIGIN, atol=1e-9)
    assert run.experiment.scan.oscillation == (0.0, 0.5)
    assert run.experiment.beam.wavelength == 1.0


def test_several_that_are_equally_likely_are_listed(tmp_path):
    path = changed(tmp_path, data_before("b_data", FRAMES + 1))
    with pytest.raises(FormatError, match=r"/entry/b_data/data.*give input.dataset") as error:
        imported(path)
    assert "/entry/data/data" in str(error.value)
    (run,) = imported(path, input={"dataset": "/entry/b_data/data"})
    np.testing.assert_array_equal(run.read(0, 4), FRAMES + 1)
    with pytest.raises(FormatError, match=r"its datasets of frames are: .*b_data"):
        imported(path, input={"dataset": "/entry/c_data/data"})
    path = changed(tmp_path, lambda f: f.copy(DETECTOR, "entry/instrument/other"))
    with pytest.raises(FormatError, match=r"several detectors .*other; give input.detector"):
        imported(path)
    (run,) = imported(path, input={"detector": "/entry/instrument/other"})
    assert run.experiment.detector[0].name == "/entry/instrument/other/module"


FIELDS = {
    "saturation null": [setting(f"{DETECTOR}/saturation_value", h5py.Empty("f8"))],
    "saturation empty": [setting(f"{DETECTOR}/saturation_value", np.zeros(0))],
    "saturation nan": [setting(f"{DETECTOR}/saturation_value", np.nan)],
    "underload null": [
        setting(f"{DETECTOR}/underload_value", h5py.Empty("i4")),
        deleting(f"{DETECTOR}/saturation_value"),
    ],
    "mask null": [
        setting(f"{DETECTOR}/pixel_mask", h5py.Empty("u4")),
        deleting(f"{DETECTOR}/saturation_value"),
    ],
    "mask empty": [
        setting(f"{DETECTOR}/pixel_mask", np.zeros((0, 0), "u4")),
        deleting(f"{DETECTOR}/saturation_value"),
    ],
}


@pytest.mark.parametrize("name", FIELDS)
def test_fields_without_a_value_are_not_there(tmp_path, name):
    (run,) = imported(changed(tmp_path, *FIELDS[name]))
    assert run.mask.all()
    # without a saturation value the two highest counts of unsigned frames are no counts
    assert run.experiment.detector[0].trusted_range == (-1.0, 65534.0)


def test_the_limits_of_other_dtypes(tmp_path):
    for dtype, low, high in (("i4", -(2.0**31), 2.0**31 - 1), ("u4", -1.0, 2.0**32 - 2)):
        path = changed(
            tmp_path,
            setting("entry/data/data", FRAMES.astype(dtype)),
            deleting(f"{DETECTOR}/saturation_value"),
            deleting(f"{DETECTOR}/underload_value"),
        )
        assert imported(path)[0].experiment.detector[0].trusted_range == (low, high)


def test_masks_of_each_image(tmp_path):
    mask = np.zeros((4, 60, 80), "u4")
    mask[:, :5] = 1
    mask[2, 10:20] = 2
    (run,) = imported(changed(tmp_path, setting(f"{DETECTOR}/pixel_mask", mask)))
    assert not run.mask[:5].any()
    assert run.mask[5:].all()


@pytest.mark.parametrize(
    ("changes", "wavelength"),
    [
        ([setting(f"{BEAM}/incident_wavelength", 1.0, units="Å")], 1.0),
        ([setting(f"{BEAM}/incident_wavelength", 0.1, units="nm")], 1.0),
        ([setting(f"{BEAM}/incident_wavelength", 100.0, units="pm")], 1.0),
        ([setting(f"{BEAM}/incident_wavelength", [[1.0]])], 1.0),
        ([attribute(f"{BEAM}/incident_wavelength", "units", b"\xc5")], 1.0),  # Latin-1
        (
            [
                setting(f"{BEAM}/incident_wavelength", [0.98, 1.0, 1.02]),
                setting(f"{BEAM}/incident_wavelength_weight", [1.0, 2.0, 1.0]),
            ],
            1.0,
        ),
        (
            [
                setting(f"{BEAM}/incident_wavelength", h5py.Empty("f8")),
                setting(f"{BEAM}/incident_energy", 12.398419843320026, units="keV"),
            ],
            1.0,
        ),
    ],
)
def test_wavelengths(tmp_path, changes, wavelength):
    (run,) = imported(changed(tmp_path, *changes))
    assert run.experiment.beam.wavelength == pytest.approx(wavelength, rel=1e-12)


@pytest.mark.parametrize(
    ("names", "dimension", "power"),
    [
        ("m metre meters METER", "length", 3),
        ("mm MM Mm millimetre millimeters", "length", 0),
        ("cm centimetre", "length", 1),
        ("um µm μm Âµm micron microns micrometre UM", "length", -3),
        ("nm nanometer", "length", -6),
        ("pm picometre", "length", -9),
        ("Å Å å angstrom Angstroms ANGSTROM Ångström ångströms angstroem 1e-10m", "length", -7),
        ("deg Degree degrees DEG ° º Â° deg.", "angle", 0),
        ("rad radians Radian", "angle", 0),
        ("mrad milliradian", "angle", -3),
        ("eV ev electronvolt electron_volts", "energy", 0),
        ("keV KeV KEV kev kiloelectronvolt", "energy", 3),
        ("MeV", "energy", 6),
        ("meV", "energy", -3),
        ("s sec second Seconds", "time", 0),
        ("ms millisecond", "time", -3),
        ("us µs microseconds", "time", -6),
        ("ns", "time", -9),
        ("pixel pixels Pixels px pixel(s)", "pixels", 0),
    ],
)
def test_spellings_of_units(names, dimension, power):
    for name in names.split():
        found = unit_of(name)
        assert found is not None, name
        assert (found.dimension, found.power) == (dimension, power), name


def test_units_that_are_none():
    assert all(unit_of(name) is None for name in ("A", "C", "mev", "counts", "furlong", "m2", "?"))


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


def test_one_image_of_two_dimensions(tmp_path):
    path = changed(
        tmp_path,
        setting("entry/data/data", FRAMES[0]),
        setting(f"{SAMPLE}/omega", [0.0]),
        setting(f"{SAMPLE}/omega_end", [0.5]),
    )
    (run,) = imported(path)
    assert run.shape == (1, 60, 80)
    np.testing.assert_array_equal(run.read(0, 1), FRAMES[:1])
    assert run.experiment.scan.oscillation == (0.0, 0.5)
    (linked,) = imported(path, link=True)
    assert linked.manifest.shape == (1, 60, 80)


def test_images_that_were_not_written_are_left_out(tmp_path):
    def unfinished(file):
        del file["entry/data/data"]
        data = file["entry/data"].create_dataset(
            "data", shape=(4, 60, 80), dtype="u2", chunks=(1, 60, 80)
        )
        data[:3] = FRAMES[:3]

    (run,) = imported(changed(tmp_path, unfinished))
    assert run.shape[0] == 3
    assert any("announces 4 frames, and 3 were written" in line for line in run.problems)
    np.testing.assert_allclose(run.columns["angle"], (0.0, 0.5, 1.0))


def master(tmp_path, missing=()):
    path = write_example(tmp_path / "x_master.h5")
    with h5py.File(path, "r+") as file:
        del file["entry/data/data"]
        for i in range(1, 5):
            name = f"x_data_{i:06d}.h5"
            file[f"entry/data/data_{i:06d}"] = h5py.ExternalLink(name, "/entry/data/data")
            if i not in missing:
                with h5py.File(tmp_path / name, "w") as part:
                    part["entry/data/data"] = FRAMES[i - 1 : i]
    return path


@pytest.mark.parametrize(
    ("missing", "ranges"), [((4,), [(1, 3)]), ((2,), [(1, 1), (3, 4)]), ((1,), [(2, 4)])]
)
def test_data_files_that_are_missing(tmp_path, missing, ranges):
    path = master(tmp_path, missing)
    runs = imported(path)
    assert [r.experiment.scan.image_range for r in runs] == ranges
    starts = [0.5 * (r.experiment.scan.image_range[0] - 1) for r in runs]
    assert [r.experiment.scan.oscillation for r in runs] == [(s, 0.5) for s in starts]
    assert all(f"x_data_00000{missing[0]}.h5" in r.problems[0] for r in runs)
    np.testing.assert_array_equal(runs[-1].read(0, 1), FRAMES[[ranges[-1][0] - 1]])


def test_a_data_file_that_was_cut(tmp_path):
    path = master(tmp_path)
    part = tmp_path / "x_data_000004.h5"
    part.write_bytes(part.read_bytes()[:1000])
    (run,) = read_runs(sorted(tmp_path.glob("*.h5")))  # as a shell expands *.h5
    assert run.shape[0] == 3
    assert len(read_runs([path])) == 1


def test_data_files_beside_their_master(tmp_path, caplog):
    path = master(tmp_path)
    (run,) = read_runs([tmp_path / "x_data_000001.h5", path, tmp_path / "x_data_000002.h5"])
    assert run.shape[0] == 4
    assert "x_data_000001.h5, x_data_000002.h5 are read through x_master.h5" in caplog.text


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
