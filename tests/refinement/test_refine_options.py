"""Options of refinement: engines, goniometers, outliers, tables, and properties of the result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.refinement_cases import (
    centroids,
    disturbed,
    misorientation_deg,
    some_rotation,
    truth,
)

from dxdask.columns import Flag, Reflections, select
from dxdask.errors import InputError
from dxdask.models import Crystal, Detector, ExperimentList, Panel, Scan
from dxdask.models.rotations import rotation_matrices
from dxdask.models.vectors import matrix, rotation_matrix, vector
from dxdask.refinement import RefinementParameters, refine
from dxdask.results import StepResult

pytestmark = pytest.mark.jit


def refined(table: Reflections, start: ExperimentList, **groups: Any) -> StepResult:
    groups.setdefault("reflections", {"outlier": {"algorithm": None}})
    groups.setdefault("parameterisation", {"scan_varying": False})
    return refine(table, start, RefinementParameters.model_validate(groups))


def test_gauss_newton_reaches_the_same_minimum() -> None:
    true = truth(n_runs=2)
    table = centroids(true, d_min=5.0, sigma=0.2)
    one, other = (
        refined(table, disturbed(true), refinery={"engine": e}) for e in ("LevMar", "GaussNewton")
    )
    for a, b in zip(one.experiments, other.experiments, strict=True):
        np.testing.assert_allclose(a.crystal.unit_cell, b.crystal.unit_cell, rtol=1e-6)
        np.testing.assert_allclose(a.detector[0].origin, b.detector[0].origin, atol=1e-4)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_wrong_setting_of_the_goniometer_is_found_by_several_runs(seed: int) -> None:
    true = truth(n_runs=3)
    # one goniometer for all runs, at different angles, so that the crystal cannot follow
    axes = rotation_matrices(np.radians([[0.0, 0.1, 0.12]]) * (1 + seed))[0]
    settings = tuple(
        replace(g, setting=matrix(axes @ np.asarray(g.setting))) for g in true.goniometers
    )
    wrong = replace(true, goniometers=settings)
    table = centroids(true, d_min=5.0, sigma=0.05)
    given = {
        "scan_varying": False, "goniometer": {"fix": []}, "crystal": {"fix": "orientation"},
        "beam": {"fix": ["all"]}, "detector": {"fix": "all"},
    }  # fmt: skip
    result = refined(table, wrong, parameterisation=given)
    for g, wanted in zip(result.experiments.goniometers, true.goniometers, strict=True):
        np.testing.assert_allclose(g.rotation_axis, wanted.rotation_axis, atol=1.5e-4)
    rows = result.table("rmsds").rows
    assert max(r["rmsd_x_px"] for r in rows) < 0.08


def test_sauter_poon_rejects_what_is_far_in_the_plane() -> None:
    true = truth()
    table = centroids(true, d_min=5.0, sigma=0.1)
    bad = np.random.default_rng(0).choice(len(table["flags"]), 200, replace=False)
    table["y_mm"][bad] += 0.15
    result = refined(table, true, reflections={"outlier": {"algorithm": "sauter_poon"}})
    rejected = (result.reflections["flags"] & Flag.CENTROID_OUTLIER) != 0
    assert rejected[bad].mean() > 0.97
    assert rejected.mean() < 0.2


def test_correlations_are_those_of_the_parameters() -> None:
    true = truth()
    result = refined(
        centroids(true, d_min=5.0, sigma=0.2), true, refinery={"track_parameter_correlation": True}
    )
    rows = result.table("parameters").rows
    names = [r["parameter"] for r in rows]
    assert "Beam1Mu2" in names
    assert "Detector1Dist" in names
    assert all(-1.0 <= r["correlation"] <= 1.0 for r in rows)
    assert all(r["su"] > 0 for r in rows)
    assert all(r["most_correlated"] != r["parameter"] for r in rows)


def rotated(experiments: ExperimentList, rotation: np.ndarray) -> ExperimentList:
    """Return experiments with all models rotated in the laboratory."""
    beams = tuple(
        replace(b, direction=vector(rotation @ b.direction),
                polarization_normal=vector(rotation @ np.asarray(b.polarization_normal)))
        for b in experiments.beams
    )  # fmt: skip
    detectors = tuple(
        replace(d, panels=tuple(p.moved(rotation) for p in d.panels)) for d in experiments.detectors
    )
    goniometers = tuple(
        replace(
            g, axes=tuple(vector(rotation @ np.asarray(a)) for a in g.axes),
            setting=matrix(rotation @ np.asarray(g.setting) @ rotation.T),
            fixed=matrix(rotation @ np.asarray(g.fixed) @ rotation.T),
        )
        for g in experiments.goniometers
    )  # fmt: skip
    crystals = tuple(replace(c, a_matrix=matrix(rotation @ c.a)) for c in experiments.crystals)
    return replace(
        experiments, beams=beams, detectors=detectors, goniometers=goniometers, crystals=crystals
    )


@pytest.mark.parametrize("varying", [False, True])
def test_a_rotation_of_the_laboratory_changes_nothing_else(varying: bool) -> None:
    true = truth(n_runs=2)
    rotation = rotation_matrix((0.3, -0.8, 0.5), 1.1)
    table, start = centroids(true, d_min=6.0, sigma=0.2), disturbed(true)
    given = {"scan_varying": varying, "interval_width_degrees": 24.0}
    one = refined(table, start, parameterisation=given)
    other = refined(table, rotated(start, rotation), parameterisation=given)
    for a, b in zip(one.experiments, other.experiments, strict=True):
        np.testing.assert_allclose(a.crystal.unit_cell, b.crystal.unit_cell, rtol=2e-6)
        assert misorientation_deg(rotation @ a.crystal.u, b.crystal.u) < 1e-4
    for a, b in zip(one.table("rmsds").rows, other.table("rmsds").rows, strict=True):
        for name in ("n", "rmsd_x_px", "rmsd_y_px", "rmsd_z_images"):
            assert a[name] == pytest.approx(b[name], rel=1e-4)


def test_spots_on_one_image_give_a_crystal_like_that_of_a_still() -> None:
    true = truth()
    table = centroids(true, d_min=3.0)
    z = true.scans[0].z_from_phi(table["phi_rad"])
    one = select(table, (z >= 30) & (z < 31))
    one["phi_rad"][:] = true.scans[0].phi_from_z(np.array([30.5]))
    one["phi_rad_variance"][:] = true.scans[0].image_width_rad ** 2 / 12
    given = {"beam": {"fix": ["all"]}, "detector": {"fix": "all"}}
    result = refined(one, disturbed(true, detector=False), parameterisation=given)
    crystal = result.experiments.crystals[0]
    assert crystal.scan_points is None
    np.testing.assert_allclose(crystal.unit_cell, true.crystals[0].unit_cell, rtol=1e-2)


def test_ten_spots_are_refused() -> None:
    true = truth()
    table = select(centroids(true, d_min=3.5), np.arange(0, 1000, 100))
    with pytest.raises(InputError, match="too few reflections"):
        refined(table, true)


def test_a_scan_of_no_width_is_a_still() -> None:
    true = truth()
    table = centroids(true, d_min=5.0)
    none = replace(true, scans=(Scan(image_range=(1, 60), oscillation=(0.0, 0.0)),))
    with pytest.raises(InputError, match="still"):
        refined(table, none)


def test_small_scattering_angles_are_not_all_near_the_rotation_axis() -> None:
    near = truth()
    cell = (338.0, 338.0, 338.0, 90.0, 90.0, 90.0)
    crystal = Crystal.from_cell(cell, u_matrix=some_rotation(2), space_group="P 4 3 2")
    panel = Panel(name="p", origin=(-50.0, 50.0, -4000.0), pixel_size=(0.1, 0.1),
                  image_size=(1000, 1000))  # fmt: skip
    true = replace(near, crystals=(crystal,), detectors=(Detector(panels=(panel,)),))
    table = centroids(true, d_min=82.0, sigma=0.1)
    given = {"scan_varying": False, "detector": {"fix": "distance"}}
    result = refined(table, disturbed(true, detector=False), parameterisation=given)
    used = (result.reflections["flags"] & Flag.USED_IN_REFINEMENT) != 0
    assert used.mean() > 0.8
    np.testing.assert_allclose(result.experiments.crystals[0].unit_cell, cell, rtol=1e-3)
