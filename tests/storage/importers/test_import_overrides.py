"""Overrides of the geometry replace the headers' values."""

import numpy as np
import pytest
from pydantic import ValidationError
from support.raw_examples import write_cbf, write_nxmx

from dxdask.errors import FormatError, InputError, ParameterError
from dxdask.models.attenuation import absorption, material_name
from dxdask.storage.importers import ImportParameters, read_runs

FRAMES = np.arange(4 * 6 * 8, dtype=np.uint16).reshape(4, 6, 8)


def imported(tmp_path, **values):
    path = tmp_path / "a.nxs"
    if not path.exists():
        write_nxmx(path, FRAMES)
    (run,) = read_runs([path], ImportParameters.model_validate(values))
    return run


def test_wavelength_brings_its_absorption(tmp_path):
    run = imported(tmp_path, geometry={"beam": {"wavelength": 0.5, "transmission": 0.1}})
    assert run.experiment.beam.wavelength == 0.5
    assert run.experiment.detector[0].mu == absorption("Si", 0.5)
    np.testing.assert_allclose(run.columns["wavelength"], 0.5)
    np.testing.assert_allclose(run.columns["transmission"], 0.1)


def test_distance_and_beam_centre(tmp_path):
    run = imported(
        tmp_path, geometry={"detector": {"distance": 250.0, "fast_slow_beam_centre": (3.5, 2.0)}}
    )
    panel = run.experiment.detector[0]
    assert panel.distance == pytest.approx(250.0)
    centre = panel.ray_intersection(run.experiment.beam.s0) / np.asarray(panel.pixel_size)
    np.testing.assert_allclose(centre, (3.5, 2.0), atol=1e-12)
    other = imported(
        tmp_path, geometry={"detector": {"distance": 250.0, "slow_fast_beam_centre": (2.0, 3.5)}}
    )
    np.testing.assert_allclose(other.experiment.detector[0].origin, panel.origin)


def test_panel_by_id(tmp_path):
    change = {"id": 0, "origin": (1.0, 2.0, -50.0), "trusted_range": (-1, 500), "material": "CdTe"}
    panel = imported(tmp_path, geometry={"detector": {"panel": [change]}}).experiment.detector[0]
    assert panel.origin == (1.0, 2.0, -50.0)
    assert panel.trusted_range == (-1.0, 500.0)
    assert panel.mu == absorption("CdTe", 1.0)
    bare = imported(
        tmp_path, geometry={"detector": {"panel": [{"thickness": 0.0}]}}
    ).experiment.detector[0]
    assert not bare.use_parallax


def test_goniometer_and_scan(tmp_path):
    run = imported(
        tmp_path,
        geometry={
            "goniometer": {"axes": (0, 2, 0), "invert_rotation_axis": True},
            "scan": {"oscillation": (5.0, 0.1)},
        },
    )
    goniometer = run.experiment.goniometer
    assert goniometer.axes == ((0.0, -1.0, 0.0),)
    assert goniometer.angles == (5.0,)
    np.testing.assert_allclose(run.columns["angle"], (5.0, 5.1, 5.2, 5.3))
    three = imported(
        tmp_path,
        geometry={"goniometer": {"axes": (1, 0, 0, 0, 1, 0, 0, 0, 1), "angles": (1, 2, 3)}},
    ).experiment.goniometer
    assert three.names == ("phi", "kappa", "omega")
    assert (three.scan_axis, three.angles) == (2, (1.0, 2.0, 0.0))


def test_image_range_keeps_numbers_and_frames(tmp_path):
    run = imported(tmp_path, geometry={"scan": {"image_range": (2, 3)}})
    assert run.shape == (2, 6, 8)
    assert run.experiment.scan.image_range == (2, 3)
    assert run.experiment.scan.oscillation == (0.5, 0.5)
    np.testing.assert_array_equal(run.read(0, 2), FRAMES[1:3])
    np.testing.assert_allclose(run.columns["angle"], (0.5, 1.0))


def test_convert_stills(tmp_path):
    experiment = imported(tmp_path, convert_stills=True).experiment
    assert experiment.goniometer is None
    assert experiment.scan.is_still


def test_lookup_mask(tmp_path):
    mask = np.ones((6, 8), dtype=bool)
    mask[2, 3] = False
    np.save(tmp_path / "mask.npy", mask)
    run = imported(tmp_path, lookup={"mask": tmp_path / "mask.npy"})
    np.testing.assert_array_equal(run.mask, mask)
    np.save(tmp_path / "mask.npy", mask[:5])
    with pytest.raises(InputError, match=r"is \(5, 8\), the frames of run a \(6, 8\)"):
        imported(tmp_path, lookup={"mask": tmp_path / "mask.npy"})
    np.save(tmp_path / "mask.npy", mask.astype(int))
    with pytest.raises(FormatError, match=r"is int64 \(6, 8\), not bool"):
        imported(tmp_path, lookup={"mask": tmp_path / "mask.npy"})
    np.save(tmp_path / "mask.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(FormatError, match="cannot be read"):
        imported(tmp_path, lookup={"mask": tmp_path / "mask.npy"})


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        ({"goniometer": {"axes": (1, 0)}}, "axes has 2 numbers"),
        ({"goniometer": {"axes": (0, 0, 0)}}, "has no direction"),
        ({"goniometer": {"angles": (1, 2)}}, "angles has 2 values for 1 axes"),
        ({"goniometer": {"scan_axis": 3}}, "scan_axis=3: the axes are 0 to 0"),
        ({"detector": {"panel": [{"id": 4}]}}, "panel.id=4: the detector has 1 panels"),
        ({"detector": {"panel": [{"fast_axis": (0, 1, 0)}]}}, "not at right angles"),
        (
            {"detector": {"fast_slow_beam_centre": (1, 2), "slow_fast_beam_centre": (2, 1)}},
            "not both",
        ),
        ({"detector": {"fast_slow_beam_centre": (1, 2, 7)}}, "names panel 7 of 1"),
        ({"scan": {"image_range": (2, 9)}}, "run a has images 1 to 4"),
    ],
)
def test_overrides_that_make_no_sense(tmp_path, geometry, message):
    with pytest.raises(ParameterError, match=message):
        imported(tmp_path, geometry=geometry)


def test_parameters_refuse_what_they_do_not_know():
    with pytest.raises(ValidationError, match="wavelenght"):
        ImportParameters.model_validate({"geometry": {"beam": {"wavelenght": 1.0}}})


def test_absorption_is_nist_s():
    """At a node of the table, and DIALS's values between."""
    assert absorption("Si", 12.398419843320026 / 10.0) == pytest.approx(
        33.89 * 2.33 / 10, rel=1e-12
    )
    assert absorption("Si", 0.6199) == pytest.approx(1.0400134815125643, rel=1e-12)
    assert absorption("CdTe", 0.6199) == pytest.approx(13.291587507499873, rel=1e-12)
    assert absorption("GaAs", 0.6199) == pytest.approx(22.65045165730169, rel=1e-12)
    assert absorption("Ge", 0.6199) == pytest.approx(22.471614047940953, rel=1e-12)
    assert material_name(" silicon ") == "Si"
    with pytest.raises(InputError, match="beyond the absorption table of Si"):
        absorption("Si", 0.0251)


def test_oscillation_axis_of_a_minicbf(tmp_path):
    for text, axis in (
        ("X.CW", (1.0, 0.0, 0.0)),
        ("X.CW +SLOW", (0.0, 1.0, 0.0)),
        ("X.CW +FAST", (-1.0, 0.0, 0.0)),
    ):
        path = write_cbf(tmp_path / "a_1.cbf", np.ones((5, 8), np.int32), Oscillation_axis=text)
        assert read_runs([path])[0].experiment.goniometer.axes == (axis,)
