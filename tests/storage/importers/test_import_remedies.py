"""What a message advises must work: every value that a file may lack, and every way to give it."""

import re

import h5py
import numpy as np
import pytest
from support.mutated_nxmx import write_example

from dxdask.errors import FormatError
from dxdask.storage.importers import ImportParameters, read_runs
from dxdask.storage.importers.missing import REMEDIES, advice

DETECTOR = "entry/instrument/detector"
SAMPLE = "entry/sample/transformations"

GIVEN = {
    "geometry.beam.wavelength": 1.2,
    "geometry.detector.distance": 150.0,
    "geometry.detector.fast_slow_beam_centre": (40.0, 30.0),
    "geometry.detector.slow_fast_beam_centre": (30.0, 40.0),
    "geometry.detector.panel.origin": (-4.0, 3.0, -150.0),
    "geometry.detector.panel.fast_axis": (1.0, 0.0, 0.0),
    "geometry.detector.panel.slow_axis": (0.0, -1.0, 0.0),
    "geometry.detector.panel.pixel_size": (0.1, 0.1),
    "geometry.detector.panel.material": "CdTe",
    "geometry.detector.panel.thickness": 0.45,
    "geometry.detector.panel.trusted_range": (-1.0, 900.0),
    "geometry.goniometer.axes": (0.0, 1.0, 0.0),
    "geometry.scan.oscillation": (5.0, 0.25),
    "convert_stills": True,
}


def replaced(name, value, **attributes):
    def change(file):
        if name in file:
            del file[name]
        if value is not None:
            file[name] = value
            file[name].attrs.update(attributes)

    return change


def no_modules_and(name):
    def change(file):
        del file[f"{DETECTOR}/module"]
        del file[f"{DETECTOR}/{name}"]

    return change


def no_distance(file):
    for name in ("module_offset", "fast_pixel_direction", "slow_pixel_direction"):
        del file[f"{DETECTOR}/module/{name}"].attrs["depends_on"]
    del file[f"{DETECTOR}/depends_on"], file[f"{DETECTOR}/distance"]


def oblique(file):
    file[f"{DETECTOR}/module/slow_pixel_direction"].attrs["vector"] = [-1.0, -1.0, 0.0]


def odd_unit(name, unit):
    def change(file):
        file[name].attrs["units"] = unit

    return change


LACKING = {
    "wavelength": [
        replaced("entry/instrument/beam/incident_wavelength", None),
        odd_unit("entry/instrument/beam/incident_wavelength", "A"),
        replaced("entry/instrument/beam/incident_wavelength", -1.0),
        replaced("entry/instrument/beam/incident_wavelength", [1.0, 1.1, 1.2]),
        replaced("entry/instrument/beam/incident_wavelength", [1.0, np.nan, 1.2, 1.0]),
    ],
    "distance": [no_distance, no_modules_and("distance")],
    "beam_centre": [no_modules_and("beam_center_x")],
    "origin": [
        odd_unit(f"{DETECTOR}/transformations/det_z", "A"),
        replaced(f"{DETECTOR}/transformations/det_z", None),
    ],
    "axes": [oblique],
    "pixel_size": [no_modules_and("x_pixel_size")],
    "material": [replaced(f"{DETECTOR}/sensor_material", "Cheese")],
    "thickness": [odd_unit(f"{DETECTOR}/sensor_thickness", "eV")],
    "trusted_range": [replaced(f"{DETECTOR}/saturation_value", "many")],
    "goniometer": [
        odd_unit(f"{SAMPLE}/omega", "furlong"),
        replaced("entry/sample/depends_on", "nowhere"),
        replaced(f"{SAMPLE}/omega", [0.0, 0.5, 1.0], units="deg", vector=[-1, 0, 0]),
    ],
    "oscillation": [
        replaced(f"{SAMPLE}/omega", [7.0] * 4, units="deg", vector=[-1, 0, 0]),
    ],
    "mask": [replaced(f"{DETECTOR}/pixel_mask", np.zeros((5, 8), "u4"))],
}


def nested(names, values):
    out = {}
    for name in names:
        *folders, last = name.split(".")
        place = out
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = values[name]
    panel = out.get("geometry", {}).get("detector", {}).pop("panel", None)
    if panel is not None:
        out["geometry"]["detector"]["panel"] = [panel]
    return out


def test_every_value_has_a_file_that_lacks_it():
    assert set(LACKING) == set(REMEDIES)


@pytest.mark.parametrize(
    ("value", "change"), [(v, c) for v, changes in LACKING.items() for c in changes]
)
def test_what_is_advised_works(tmp_path, value, change):
    path = write_example(tmp_path / "a.nxs")
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(FormatError, match=re.escape(f"give {advice(value)}")):
        read_runs([path])
    np.save(tmp_path / "mask.npy", np.ones((60, 80), dtype=bool))
    values = {**GIVEN, "lookup.mask": tmp_path / "mask.npy"}
    for names in REMEDIES[value].options:
        given = ImportParameters.model_validate(nested(names, values))
        (run,) = read_runs([path], given)
        panel = run.experiment.detector[0]
        assert not any("check" in line for line in run.problems), run.problems
        if value in ("distance", "origin"):
            np.testing.assert_allclose(panel.origin, (-4.0, 3.0, -150.0), atol=1e-9)
        if value in ("beam_centre", "pixel_size"):
            np.testing.assert_allclose(panel.origin[:2], (-4.0, 3.0), atol=1e-9)
            assert panel.pixel_size == (0.1, 0.1)
        if value == "wavelength":
            assert run.experiment.beam.wavelength == 1.2
            np.testing.assert_allclose(run.columns["wavelength"], 1.2)
        if "geometry.scan.oscillation" in names:
            assert run.experiment.scan.oscillation == (5.0, 0.25)
            assert run.experiment.goniometer is not None
        if names == ("convert_stills",):
            assert run.experiment.scan.is_still
    if value == "material":
        assert panel.material == "CdTe"


def test_a_reference_geometry_gives_what_is_missing(tmp_path):
    """A detector in place of one without distance, material and pixel size; a wavelength too."""
    path = write_example(tmp_path / "a.nxs")
    with h5py.File(path, "r+") as file:
        no_distance(file)
        for change in (*LACKING["wavelength"][:1], *LACKING["material"]):
            change(file)
    text = (
        '{"wavelength_A": 1.3, "pixel_size_mm": 0.1, "image_size_fast_slow": [80, 60], "panels":'
        ' [{"origin": [-4, 3, -200], "fast": [1, 0, 0], "slow": [0, -1, 0]}]}'
    )
    geometry = tmp_path / "reference.json"
    geometry.write_text(text)
    (run,) = read_runs(
        [path], ImportParameters.model_validate({"input": {"reference_geometry": geometry}})
    )
    assert run.experiment.beam.wavelength == 1.3
    assert run.experiment.detector[0].origin == (-4.0, 3.0, -200.0)
