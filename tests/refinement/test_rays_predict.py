"""Rays and predicted centroids: on the sphere, on the right side, where the truth has them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refinement_cases import centroids, some_rotation, truth

from dxdask.columns import Flag
from dxdask.errors import SchemaError
from dxdask.models.vectors import matrix, rotation_matrices
from dxdask.refinement import predict, rays
from dxdask.refinement.geometry import is_entering, observed_s1


@given(seed=st.integers(0, 10_000), wavelength=st.floats(0.02, 2.0))
def test_rays_lie_on_the_sphere_and_lead_back_to_the_index(seed, wavelength):
    rng = np.random.default_rng(seed)
    hkl = rng.integers(-8, 9, size=(60, 3))
    setting = some_rotation(seed) / rng.uniform(20, 90)
    s0 = some_rotation(seed + 1)[0] / wavelength
    m2 = some_rotation(seed + 2)[1]
    phi, s1 = rays(hkl, setting, s0, m2)
    for side in (0, 1):
        ok = np.isfinite(phi[:, side])
        back = rotation_matrices(m2, -phi[ok, side])
        r = np.einsum("nij,nj->ni", back, s1[ok, side] - s0)
        np.testing.assert_allclose(r @ np.linalg.inv(setting).T, hkl[ok], atol=1e-8)
        lengths = np.linalg.norm(s1[ok, side], axis=1) * wavelength
        np.testing.assert_allclose(lengths, 1.0, rtol=1e-9)
        # Where both ways meet, the point only touches the sphere and has no side.
        apart = np.abs(np.sin(0.5 * (phi[ok, 0] - phi[ok, 1]))) > 1e-6
        entering = is_entering(s1[ok, side], s0, m2)[apart]
        assert entering.all() if side == 0 else not entering.any()


def test_points_that_never_reflect_have_no_ray():
    # On the axis, and far beyond the limiting sphere.
    phi, s1 = rays(np.array([[1, 0, 0], [0, 500, 0]]), np.eye(3) / 50, (0, 0, -1.0), (1, 0, 0))
    assert np.isnan(phi).all()
    assert np.isnan(s1).all()


def test_predictions_are_where_the_truth_is():
    true = truth(n_runs=2, n_panels=2)
    table = centroids(true)
    out = predict({k: v for k, v in table.items() if k != "s1"}, true)
    np.testing.assert_allclose(out["x_cal_mm"], table["x_mm"], atol=1e-9)
    np.testing.assert_allclose(out["y_cal_mm"], table["y_mm"], atol=1e-9)
    np.testing.assert_allclose(out["phi_cal_rad"], table["phi_rad"], atol=1e-9)
    np.testing.assert_allclose(out["s1"], table["s1"], atol=1e-12)
    for i, e in enumerate(true):
        mine = table["experiment"] == i
        z = e.scan.z_from_phi(table["phi_rad"][mine])
        np.testing.assert_allclose(out["z_cal"][mine], z, atol=1e-9)
        on = mine & (table["panel"] == 1)
        xy = np.column_stack([out["x_cal"][on], out["y_cal"][on]])
        mm = np.column_stack([table["x_mm"][on], table["y_mm"][on]])
        # Parallax: from px to mm and back agree as well as the correction is its own inverse.
        np.testing.assert_allclose(e.detector[1].pixel_to_mm(xy), mm, atol=2e-3)
        assert np.abs(xy * 0.1 - mm).max() > 0.02


def test_the_prediction_is_at_the_turn_that_was_observed():
    true = truth()
    table = centroids(true)
    later = {**table, "phi_rad": table["phi_rad"] + 2 * np.pi}
    a, b = predict(table, true), predict(later, true)
    np.testing.assert_allclose(b["phi_cal_rad"] - a["phi_cal_rad"], 2 * np.pi, atol=1e-9)


def test_a_crystal_that_varies_is_taken_at_the_observed_angle():
    true = truth()
    table = centroids(true)
    crystal = true.crystals[0]
    n = true.scans[0].n_images + 1
    same = replace(true, crystals=(replace(crystal, scan_points=(crystal.a_matrix,) * n),))
    a, b = predict(table, true), predict(table, same)
    np.testing.assert_allclose(a["x_cal"], b["x_cal"], atol=1e-9)
    growing = tuple(matrix(crystal.a * (1 + 1e-4 * k)) for k in range(n))
    c = predict(table, replace(true, crystals=(replace(crystal, scan_points=growing),)))
    moved = np.hypot(c["x_cal"] - a["x_cal"], c["y_cal"] - a["y_cal"])
    late = a["z_cal"] > 50
    assert moved[late].mean() > 3 * moved[a["z_cal"] < 10].mean()


def test_the_side_given_wins_over_the_side_seen():
    true = truth()
    table = centroids(true)
    out = predict(table, true)
    flipped = predict({**table, "entering": ~out["entering"]}, true)
    assert (np.abs(flipped["phi_cal_rad"] - table["phi_rad"]) > 1e-6).mean() > 0.99
    np.testing.assert_array_equal(flipped["entering"], ~out["entering"])


def test_rows_not_indexed_have_no_prediction():
    true = truth()
    table = centroids(true)
    table["flags"][:5] = Flag.STRONG
    out = predict(table, true)
    assert np.isnan(out["x_cal"][:5]).all()
    assert ((out["flags"][:5] & Flag.PREDICTED) == 0).all()
    np.testing.assert_array_equal(out["s1"][:5], table["s1"][:5])


def test_observed_rays_of_true_centroids_are_the_true_rays():
    true = truth(n_runs=2, n_panels=2)
    table = centroids(true)
    np.testing.assert_allclose(observed_s1(table, true), table["s1"], atol=1e-10)


def test_a_missing_column_is_named():
    with pytest.raises(SchemaError, match="phi_rad"):
        predict({k: v for k, v in centroids(truth()).items() if k != "phi_rad"}, truth())
