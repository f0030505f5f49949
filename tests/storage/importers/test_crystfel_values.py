"""Wavelengths, lengths and gains of CrystFEL geometries: units, and values in the data file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.crystfel_files import N, events, geometry, run_of

from dxdask.errors import FormatError

KEV_A = 12.398419843320026
WAVELENGTH = 1.25


def wavelength(folder: Path, key: str, value: str, **datasets: Any) -> float:
    head = {"photon_energy": None, key: value}
    beam = run_of(events(folder, **datasets), geometry(folder, head)).experiment.beam
    return beam.wavelength


@pytest.mark.parametrize("place", ["literal", "dataset", "one value"])
@pytest.mark.parametrize(
    ("key", "number", "unit", "expected"),
    [
        ("photon_energy", 9500.0, "", KEV_A / 9.5),
        ("photon_energy", 9500.0, "eV", KEV_A / 9.5),
        ("photon_energy", 9.5, "keV", KEV_A / 9.5),
        ("photon_energy", 9.5, "KeV", KEV_A / 9.5),
        ("photon_energy", 0.0095, "MeV", KEV_A / 9.5),
        ("wavelength", 1.3, "A", 1.3),
        ("wavelength", 1.3, "Å", 1.3),
        ("wavelength", 1.3e-10, "m", 1.3),
        ("wavelength", 0.13, "nm", 1.3),
        # Reimer & Kohl, Transmission Electron Microscopy, table 2.2: 3.70, 2.51, 1.97 and 0.872 pm
        ("electron_voltage", 100.0, "kV", 0.03701),
        ("electron_voltage", 200.0, "kV", 0.0251),
        ("electron_voltage", 300000.0, "V", 0.0197),
        ("electron_voltage", 1.0, "MV", 0.008719),
    ],
)
def test_wavelengths_in_their_units(
    tmp_path: Path, place: str, key: str, number: float, unit: str, expected: float
) -> None:
    values = {"dataset": np.full(N, number), "one value": np.array(number)}
    given = f"{number!r}" if place == "literal" else "/LCLS/value"
    datasets = {} if place == "literal" else {"LCLS__value": values[place]}
    found = wavelength(tmp_path, key, f"{given} {unit}".strip(), **datasets)
    assert found == pytest.approx(expected, rel=2e-3 if key == "electron_voltage" else 1e-9)


def test_electrons_are_the_probe_and_have_no_energy_of_photons(tmp_path: Path) -> None:
    head = {"photon_energy": None, "electron_voltage": "300 kV", "adu_per_photon": None,
            "adu_per_eV": "0.001"}  # fmt: skip
    run = run_of(events(tmp_path), geometry(tmp_path, head))
    assert run.experiment.beam.probe == "electron"
    assert run.experiment.beam.wavelength == pytest.approx(0.0196875, abs=1e-7)
    assert run.experiment.detector[0].gain == 1.0
    (problem,) = run.problems
    assert "adu_per_eV is not used" in problem
    assert "panel p0 and 1 more" in problem


def test_a_wavelength_for_each_event(tmp_path: Path) -> None:
    energies = np.array([9.0, 9.5, -1.0, 10.0])
    head = {"photon_energy": "/LCLS/e keV", "adu_per_photon": None, "adu_per_eV": "0.001"}
    run = run_of(events(tmp_path, LCLS__e=energies), geometry(tmp_path, head))
    expected = [KEV_A / 9.0, KEV_A / 9.5, 0.0, KEV_A / 10.0]
    assert run.experiment.beam.wavelengths == pytest.approx(expected)
    assert run.columns["wavelength"] == pytest.approx(expected)
    mean = np.mean([e for e in expected if e])
    assert run.experiment.beam.wavelength == pytest.approx(mean)
    assert run.experiment.detector[0].gain == pytest.approx(KEV_A / mean)
    with pytest.raises(FormatError, match="no positive value"):
        run_of(events(tmp_path, LCLS__e=-energies * 0 - 1), geometry(tmp_path, head))


def test_units_of_the_dataset_where_the_geometry_gives_none(tmp_path: Path) -> None:
    import h5py

    path = events(tmp_path, LCLS__e=np.full(N, 9.5))
    with h5py.File(path, "a") as file:
        file["LCLS/e"].attrs["units"] = "keV"
    beam = run_of(path, geometry(tmp_path, {"photon_energy": "/LCLS/e"})).experiment.beam
    assert beam.wavelength == pytest.approx(KEV_A / 9.5)
    with h5py.File(path, "a") as file:
        file["LCLS/e"].attrs["units"] = "furlong"
    with pytest.raises(FormatError, match="write one of eV, keV, MeV behind it"):
        run_of(path, geometry(tmp_path, {"photon_energy": "/LCLS/e"}))
    beam = run_of(path, geometry(tmp_path, {"photon_energy": "/LCLS/e keV"})).experiment.beam
    assert beam.wavelength == pytest.approx(KEV_A / 9.5)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("wavelength", "1.3", "has no unit; give one of m, cm"),
        ("electron_voltage", "300", "has no unit; give one of V, kV"),
        ("electron_voltage", "300 keV", "unit that is not known; give V, kV"),
        ("wavelength", "1.3 eV", "unit that is not known"),
        ("photon_energy", "0", "is not positive"),
        ("photon_energy", "-9500 eV", "is not positive"),
        ("photon_energy", "1e999", "is not a number"),
        ("photon_energy", "/none eV", "no /none, which"),
        ("photon_energy", "/LCLS/three eV", "has 3 values for 4 events"),
        ("photon_energy", "/LCLS/text eV", "cannot be read as numbers"),
    ],
)
def test_wavelengths_that_are_none(tmp_path: Path, key: str, value: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        wavelength(tmp_path, key, value, LCLS__three=np.ones(3), LCLS__text="high")


def test_no_wavelength_can_be_given(tmp_path: Path) -> None:
    head = {"photon_energy": None, "adu_per_photon": None, "adu_per_eV": "0.001"}
    path = geometry(tmp_path, head)
    with pytest.raises(FormatError, match=r"give geometry\.beam\.wavelength"):
        run_of(events(tmp_path), path)
    run = run_of(events(tmp_path), path, geometry={"beam": {"wavelength": 1.25}})
    assert run.experiment.beam.wavelength == 1.25
    assert run.experiment.detector[0].gain == pytest.approx(KEV_A / 1.25)


def test_the_last_of_two_wavelengths_is_used(tmp_path: Path) -> None:
    path = geometry(tmp_path, {"wavelength": "1.5 A"})
    run = run_of(events(tmp_path), path)
    assert run.experiment.beam.wavelength == pytest.approx(1.5)
    assert run.problems == ("photon_energy is not used: wavelength is given below it",)


@pytest.mark.parametrize(
    ("clen", "expected"),
    [
        ("0.25", 250.0), ("250 mm", 250.0), ("250mm", 250.0), ("25 cm", 250.0), ("0.25 m", 250.0),
        ("2.5e-1 m", 250.0), ("/det/z", 85.0), ("/det/z mm", 85.0), ("/det/z m", 85000.0),
        ("/det/all mm", 101.5),
    ],
)  # fmt: skip
def test_camera_lengths(tmp_path: Path, clen: str, expected: float) -> None:
    path = events(tmp_path, det__z=np.array(85.0), det__all=np.array([100.0, 101, 102, 103]))
    run = run_of(path, geometry(tmp_path, {"clen": clen, "coffset": "0.01"}))
    assert run.experiment.detector[0].origin[2] == pytest.approx(-expected - 10.0)
    varies = [p for p in run.problems if "varies from 100 to 103 mm" in p]
    assert len(varies) == ("all" in clen)


def test_a_camera_length_of_a_panel_and_of_all(tmp_path: Path) -> None:
    run = run_of(events(tmp_path), geometry(tmp_path, p1={"clen": "0.2", "coffset": "0.003"}))
    assert [p.origin[2] for p in run.experiment.detector.panels] == pytest.approx([-100, -203])


@pytest.mark.parametrize(
    ("x", "expected"), [("2 mm", 2.0), ("0.002", 2.0), ("/det/x mm", 1.5), ("/det/x m", 1500.0)]
)
def test_shifts_of_the_detector(tmp_path: Path, x: str, expected: float) -> None:
    before = run_of(events(tmp_path), geometry(tmp_path)).experiment.detector[0].origin
    path = events(tmp_path, det__x=np.full(N, 1.5))
    head = {"detector_shift_x": x, "detector_shift_y": "-1 mm"}
    after = run_of(path, geometry(tmp_path, head)).experiment.detector[0].origin
    # x is to the left, seen along the beam
    assert np.subtract(after, before) == pytest.approx([-expected, -1.0, 0.0])


def test_a_rail(tmp_path: Path) -> None:
    head = {"rail_direction": "0.01x +0.02y +z", "clen_for_centering": "0.08", "coffset": "0.5"}
    run = run_of(events(tmp_path), geometry(tmp_path, head)).experiment.detector[0]
    assert run.origin == pytest.approx((0.3 - 0.2, -0.4 + 0.4, -600.0))


def test_gains(tmp_path: Path) -> None:
    head = {"adu_per_photon": None, "adu_per_eV": "0.002", "photon_energy": "9500"}
    own = {"adu_per_photon": "7.5"}
    run = run_of(events(tmp_path), geometry(tmp_path, head, p1=own))
    assert [p.gain for p in run.experiment.detector.panels] == pytest.approx([19.0, 7.5])
    (problem,) = run_of(events(tmp_path), geometry(tmp_path, {"adu_per_photon": None})).problems
    assert problem == (
        "panel p0 and 1 more: neither adu_per_photon nor adu_per_eV is given; 1 count per photon "
        "is taken"
    )


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"clen": "-0.1"}, "between the source and the sample"),
        ({"clen": "3"}, None),
        ({"clen": "100"}, "check geometry.detector.distance"),
        ({"clen": "1e-9 m"}, "check geometry.detector.distance"),
        ({"res": "75e-6"}, "check geometry.detector.panel.pixel_size"),
        ({"res": "1e9"}, "check geometry.detector.panel.pixel_size"),
        ({"photon_energy": "9.5"}, "check geometry.beam.wavelength"),
        ({"detector_shift_x": "1"}, "check geometry.detector.fast_slow_beam_centre"),
        ({"fs": "2x"}, "check res and the lengths of fs and ss"),
    ],
)
def test_what_no_detector_has_is_a_problem(
    tmp_path: Path, head: dict[str, str], message: str | None
) -> None:
    found = run_of(events(tmp_path), geometry(tmp_path, head)).problems
    assert any(message in p for p in found) if message else not found


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("flag_eqaul = 3", "line 9: flag_eqaul is not known; is flag_equal meant?"),
        ("p0/colour = 3", "colour is not known"),
        ("p0/photon_energy = 3", "photon_energy is not used: it is of the experiment"),
        ("bandwidth = 0.01", "bandwidth is not used: beams are taken as monochromatic"),
        ("photon_energy_bandwidth = 0.01", "photon_energy_bandwidth is not used"),
        ("peak_list = /peaks", "peak_list is not used: spots are found"),
        ("peak_list_type = cxi", "peak_list_type is not used"),
        ("peak_info_location = /peaks", "peak_info_location is not used"),
        ("saturation_map = /map", "saturation_map is not used"),
        ("badrow_direction = x", "badrow_direction is not used"),
        ("mask9_data = /map", "mask9_data is not known"),
        ("beam_direction = z", "beam_direction is not known"),
        ("clen = 100 mm", "clen is given again"),
    ],
)
def test_a_key_that_is_not_used_is_a_problem(tmp_path: Path, line: str, problem: str) -> None:
    text = geometry(tmp_path).read_text().splitlines()
    path = tmp_path / "other.geom"
    path.write_text("\n".join([*text[:8], line, *text[8:]]))
    (found,) = run_of(events(tmp_path), path).problems
    assert problem in found


def test_problems_reach_the_store_and_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import dxdask

    given = {"reference_geometry": geometry(tmp_path, {"bandwidth": "0.01"})}
    for link in (False, True):
        store = dxdask.import_(
            [events(tmp_path)], tmp_path / f"{link}.zarr", input=given, link=link
        )
        (row,) = store.problems().to_dict("records")
        assert (row["run"], row["step"]) == ("run", "import")
        assert "bandwidth is not used" in row["reason"]
    assert sum("bandwidth is not used" in r.getMessage() for r in caplog.records) == 2


def test_a_setting_below_the_last_panel(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"flag_equal = 3 follows the last panel"):
        run_of(events(tmp_path), geometry(tmp_path, None, "flag_equal = 3"))
    run = run_of(events(tmp_path), geometry(tmp_path, {"clen": None}, "clen = 0.3"))
    assert run.experiment.detector[0].origin[2] == pytest.approx(-300.0)
