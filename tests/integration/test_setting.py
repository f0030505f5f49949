"""The crystal along its scan, from spots that a static one does not predict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.painted_frames import experiment

from dxdask.columns import Flag, select
from dxdask.integration import IntegrationParameters
from dxdask.integration.lattices import sweep_models
from dxdask.integration.setting import setting_along_scan
from dxdask.models import ExperimentList
from dxdask.models.vectors import matrix, rotation_matrix
from dxdask.prediction import predict_all
from dxdask.refinement.predict import predict

RUN = replace(experiment(n_images=40, cell=(55.0, 60.0, 65.0, 90.0, 90.0, 90.0)), profile=None)
STATIC = ExperimentList.of([RUN])


def turning(degrees: float) -> ExperimentList:
    """Return the run with its crystal turned by up to this angle, most in the middle."""
    crystal, scan = RUN.crystal, RUN.scan
    assert crystal is not None
    assert scan is not None
    part = np.sin(np.linspace(0.0, np.pi, scan.n_images + 1))
    points = tuple(
        matrix(rotation_matrix((0.3, -0.5, 0.8), np.deg2rad(degrees) * p) @ crystal.a) for p in part
    )
    return STATIC.with_crystal(replace(crystal, scan_points=points))


def spots_of(true: ExperimentList, noise: float = 0.1, every: int = 1) -> dict:
    """Return indexed spots of a crystal, predicted with the static one."""
    table = predict_all(true[0], padding=0.0)
    table = {name: values[::every] for name, values in table.items()}
    rng = np.random.default_rng(2)
    n = len(table["d"])
    x, y, z = (table[f"{k}_cal"] + rng.normal(0.0, noise, n) for k in ("x", "y", "z"))
    on = RUN.detector[0].pixel_to_mm(np.stack([x, y], axis=1))
    phi = RUN.scan.phi_from_z(z)
    flags = np.full(n, Flag.INDEXED | Flag.STRONG | Flag.USED_IN_REFINEMENT, dtype=np.uint32)
    return predict(
        table
        | {"x": x, "y": y, "z": z, "x_mm": on[:, 0], "y_mm": on[:, 1], "phi_rad": phi}
        | {"flags": flags},
        STATIC,
    )


def test_a_crystal_that_turns_is_followed():
    true = turning(0.8)
    found = setting_along_scan(spots_of(true), STATIC)
    assert (found.before > 2 * found.after).any()
    np.testing.assert_allclose(found.after, 0.1, rtol=0.2)
    crystal = found.experiments[0].crystal
    again, right = (predict_all(e[0]) for e in (found.experiments, true))
    # close to the axis a crystal that turns makes a reflection enter twice
    again, right = (select(t, np.abs(t["zeta"]) > 0.05) for t in (again, right))
    keys = [np.column_stack([t["hkl"], t["entering"]]).tolist() for t in (again, right)]
    rows = {tuple(k): i for i, k in enumerate(keys[1])}
    both = np.array([(i, rows[tuple(k)]) for i, k in enumerate(keys[0]) if tuple(k) in rows])
    assert len(both) > 0.98 * len(keys[1])
    for name in ("x_cal", "y_cal", "z_cal"):
        off = again[name][both[:, 0]] - right[name][both[:, 1]]
        assert np.sqrt(np.mean(off**2)) < 0.1
    # cell and resolutions are those of the static crystal
    assert crystal.unit_cell == pytest.approx(RUN.crystal.unit_cell)


@pytest.mark.parametrize("scan_varying", [True, False])
def test_it_is_followed_unless_it_is_not_asked_for(scan_varying):
    given = IntegrationParameters.model_validate(
        {
            "crystal": {"scan_varying": scan_varying},
            "profile": {"sigma_b": 0.1, "sigma_m": 0.1, "fitting": False},
        }
    )
    found = sweep_models(spots_of(turning(0.8)), {}, STATIC, given).experiments[0]
    assert bool(found.crystal.scan_points) == scan_varying


def test_a_static_crystal_stays_static():
    found = setting_along_scan(spots_of(STATIC), STATIC)
    assert found.experiments is STATIC
    np.testing.assert_array_equal(found.before, found.after)


def test_few_spots_leave_it_static():
    true = turning(0.8)
    found = setting_along_scan(spots_of(true, every=40), STATIC)
    assert found.experiments is STATIC


@pytest.mark.parametrize("n_images", [1, 3])
def test_few_thick_images_leave_it_static(n_images):
    """Spots of one image have its centre as z, which is no error of the predictions."""
    cell = (55.0, 60.0, 65.0, 90.0, 90.0, 90.0)
    run = replace(experiment(n_images=n_images, width=2.0, cell=cell), profile=None)
    experiments = ExperimentList.of([run])
    crystal = run.crystal
    turned = matrix(rotation_matrix((0.3, -0.5, 0.8), np.deg2rad(0.6)) @ crystal.a)
    points = (turned,) * (n_images + 1)
    table = predict_all(replace(run, crystal=replace(crystal, scan_points=points)), padding=0.0)
    n = len(table["d"])
    x, y = table["x_cal"], table["y_cal"]
    z = np.floor(table["z_cal"]) + 0.5
    on = run.detector[0].pixel_to_mm(np.stack([x, y], axis=1))
    spots = predict(
        table
        | {"x": x, "y": y, "z": z, "x_mm": on[:, 0], "y_mm": on[:, 1]}
        | {"phi_rad": run.scan.phi_from_z(z)}
        | {"flags": np.full(n, Flag.INDEXED | Flag.STRONG, dtype=np.uint32)},
        experiments,
    )
    assert n > 300
    assert setting_along_scan(spots, experiments).experiments is experiments


def test_limits_of_resolution_are_those_of_the_cell():
    turned = turning(0.8)[0]
    table = predict_all(turned, d_min=3.0, d_max=20.0)
    assert table["d"].min() >= 3.0
    assert table["d"].max() <= 20.0
    static = predict_all(RUN, d_min=3.0, d_max=20.0)
    assert len(table["d"]) == pytest.approx(len(static["d"]), rel=0.03)
