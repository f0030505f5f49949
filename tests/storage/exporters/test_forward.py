"""Backward scans are written for DIALS as forward ones about the opposite axis."""

import json
from dataclasses import replace

import numpy as np
import pytest
from support.dials_examples import sweep, table

from dxdask.models import ExperimentList, Goniometer, Scan
from dxdask.models.vectors import rotation_matrix
from dxdask.storage.exporters.dials import write_experiments, write_reflections
from dxdask.storage.exporters.forward import with_forward_angles, with_forward_scans
from dxdask.storage.importers.dials.files import read_experiments
from dxdask.storage.importers.dials.reflections import read_reflections


def backwards(**changes):
    one = sweep()
    return replace(one, scan=Scan(image_range=(1, 30), oscillation=(24.0, -0.8)), **changes)


def rotation(experiment, z):
    """The rotation of the crystal at image z."""
    g = experiment.goniometer
    turn = rotation_matrix(g.rotation_axis_datum, float(experiment.scan.phi_from_z(z)))
    return g.setting_rotation @ turn @ g.fixed_rotation


@pytest.mark.parametrize(
    "goniometer",
    [
        Goniometer(axes=((0.6, 0.8, 0.0),)),
        Goniometer(
            axes=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
            angles=(10.0, 24.0, 30.0), names=("phi", "kappa", "omega"), scan_axis=1,
        ),
    ],
)  # fmt: skip
def test_the_crystal_turns_as_before(tmp_path, goniometer):
    one = backwards(goniometer=goniometer)
    list_ = ExperimentList.of([one])
    write_experiments(tmp_path / "a.expt", list_)
    [read] = read_experiments(tmp_path / "a.expt")
    assert read.scan.oscillation == (-24.0, 0.8)
    for z in (0.0, 3.5, 30.0):
        np.testing.assert_allclose(rotation(read, z), rotation(one, z), atol=1e-12)
    content = json.loads((tmp_path / "a.expt").read_text())
    assert content["scan"][0]["oscillation"] == [-24.0, 0.8]


def test_a_goniometer_of_scans_in_both_senses_is_split():
    one = backwards()
    forwards = replace(one, run="b", scan=Scan(image_range=(1, 30), oscillation=(0.0, 0.8)))
    list_ = with_forward_scans(ExperimentList.of([one, forwards]))
    axis = np.asarray(one.goniometer.rotation_axis_datum)
    assert (len(list_.goniometers), len(list_.scans)) == (2, 2)
    np.testing.assert_allclose(list_[0].goniometer.rotation_axis_datum, -axis)
    np.testing.assert_allclose(list_[1].goniometer.rotation_axis_datum, axis)
    assert list_[0].scan.oscillation == (-24.0, 0.8)
    assert list_[1].scan.oscillation == (0.0, 0.8)


def test_angles_of_the_table_follow(tmp_path):
    list_ = ExperimentList.of([backwards()])
    rows = table(20)
    rows["experiment"] = np.zeros(20, np.int32)
    rows["phi_rad"] = rows["phi_cal_rad"] = np.linspace(0.1, 0.4, 20)
    for name in ("x_mm", "y_mm", "x_cal_mm", "y_cal_mm"):
        rows[name] = np.ones(20)
    rows["zeta"] = np.linspace(-1, 1, 20)
    write_reflections(tmp_path / "a.refl", rows, list_)
    read = read_reflections(tmp_path / "a.refl", list_)
    np.testing.assert_array_equal(read["phi_rad"], -rows["phi_rad"])
    np.testing.assert_array_equal(read["phi_cal_rad"], -rows["phi_cal_rad"])
    np.testing.assert_array_equal(read["z"], rows["z"])
    np.testing.assert_array_equal(read["zeta"], -rows["zeta"])
    np.testing.assert_array_equal(read["entering"], ~rows["entering"])
    forwards = ExperimentList.of([sweep()])
    assert with_forward_angles(rows, forwards) is rows
