"""Values of NXmx fields: absent ones, masks, wavelengths, units."""

import h5py
import numpy as np
import pytest
from support.mutated_nxmx import FRAMES
from support.nxmx_changes import (
    BEAM,
    DETECTOR,
    attribute,
    changed,
    deleting,
    imported,
    setting,
)
from support.raw_examples import group

from dxdask.storage.importers.nxmx.units import unit_of

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


@pytest.mark.parametrize(
    ("value", "attributes", "expected", "n_problems"),
    [
        (0.3, {}, 0.3, 0), (30.0, {"units": "%"}, 0.3, 0), (30.0, {"units": "percent"}, 0.3, 0),
        (0.3, {"units": "dimensionless"}, 0.3, 0), (30.0, {}, 1.0, 1),
    ],
)  # fmt: skip
def test_transmissions(tmp_path, value, attributes, expected, n_problems):
    def attenuated(file):
        made = group(file["entry/instrument"], "attenuator", "NXattenuator")
        made["attenuator_transmission"] = value
        made["attenuator_transmission"].attrs.update(attributes)

    (run,) = imported(changed(tmp_path, attenuated))
    assert run.experiment.beam.transmission == pytest.approx(expected)
    assert len(run.problems) == n_problems


@pytest.mark.parametrize("name", ["incident_polarization_stokes", "incident_polarisation_stokes"])
def test_polarisations(tmp_path, name):
    (run,) = imported(changed(tmp_path, setting(f"{BEAM}/{name}", np.array([1.0, 0.9, 0.0, 0.0]))))
    beam = run.experiment.beam
    assert beam.polarization_fraction == pytest.approx(0.95)
    np.testing.assert_allclose(np.abs(beam.polarization_normal), (0, 1, 0), atol=1e-12)


def test_a_mask_with_its_sizes_reversed_is_left_out(tmp_path):
    mask = np.ones((80, 60), "u4")
    (run,) = imported(changed(tmp_path, setting(f"{DETECTOR}/pixel_mask", mask)))
    assert run.mask.all()
    assert any("sizes reversed" in line for line in run.problems)
