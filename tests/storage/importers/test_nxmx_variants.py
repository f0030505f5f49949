"""Geometry of NXmx as it is written: every spelling gives that of the example."""

import h5py
import numpy as np
import pytest
from support.mutated_nxmx import FRAMES
from support.nxmx_changes import (
    DET_Z,
    DETECTOR,
    MODULE,
    attribute,
    changed,
    deleting,
    imported,
    setting,
)
from support.raw_examples import group

from dxdask.errors import FormatError

ORIGIN = (-4.0, 3.0, -100.0)


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
