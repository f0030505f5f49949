"""Predicted centroids against the truth, by side of the sphere and number of rotations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.refinement_cases import centroids, truth

from dxdask.columns import Flag
from dxdask.errors import SchemaError
from dxdask.models.vectors import matrix
from dxdask.refinement.geometry import observed_s1
from dxdask.refinement.predict import predict


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


def test_the_prediction_is_in_the_rotation_that_was_observed():
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
